-- Say how providers do as one worker sees it, and read what all say.
-- KEYS[1]  provider health (what each worker said, and when, ms)
-- ARGV[1]  worker; '': only read    ARGV[2]  what it says; '': nothing any more    ARGV[3]  ms that it counts
-- reply    {KEYS[1], what a worker says, …}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[1] ~= '' then
  if ARGV[2] == '' then
    redis.call('HDEL', KEYS[1], ARGV[1])
  else
    redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %s', now, ARGV[2]))
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
  end
end
local reply, all = {KEYS[1]}, redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local space = string.find(all[i + 1], ' ', 1, true)
  if tonumber(string.sub(all[i + 1], 1, space - 1)) > now - tonumber(ARGV[3]) then
    table.insert(reply, string.sub(all[i + 1], space + 1))
  elseif ARGV[1] ~= '' then
    redis.call('HDEL', KEYS[1], all[i])
  end
end
return reply
