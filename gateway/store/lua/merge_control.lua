-- Give a Redis that came back empty or older what it no longer has; of two changes of one field the newer one stays.
-- KEYS[1]  control log   KEYS[2]  control state   KEYS[3]  the channel that says that there is news
-- ARGV[1]  the newest epoch the caller knows      ARGV[2]  how many entries the log keeps
-- then     pairs: field, its epoch with a space and its value
-- reply    {KEYS[1], the epoch of the log, how many fields Redis did not have}
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local epoch = last and tonumber(string.match(last[1], '^%d+')) or 0
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local known, missing = tonumber(ARGV[1]), 0
local function enter(field)
  epoch = math.max(epoch + 1, known + 1, now)
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], string.format('%.0f-0', epoch), 'f', field)
end
for at = 3, #ARGV, 2 do
  local held = redis.call('HGET', KEYS[2], ARGV[at])
  if not held or tonumber(string.match(held, '^%d+')) < tonumber(string.match(ARGV[at + 1], '^%d+')) then
    redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
    enter(ARGV[at])
    missing = missing + 1
  end
end
if epoch < known then
  enter('')  -- epochs never go back
end
if missing > 0 then
  redis.call('PUBLISH', KEYS[3], string.format('%.0f', epoch))
end
return {KEYS[1], epoch, missing}
