-- A replica says what it has applied, and hears what is newer.
-- KEYS[1]  control log   KEYS[2]  control state   KEYS[3]  replicas (id -> epoch applied, space, time in ms)
-- ARGV[1]  replica       ARGV[2]  the epoch it has applied, 0 for nothing   ARGV[3]  entries at most
-- reply    {KEYS[1], the epoch of the log, 1 or 0: the log does not go back to the replica's epoch,
--           epoch of an entry, field, value, …}
local applied = tonumber(ARGV[2])
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local epoch = last and tonumber(string.match(last[1], '^%d+')) or 0
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[3], ARGV[1], ARGV[2] .. ' ' .. now)
local reply = {KEYS[1], epoch, 1}
if applied == epoch then
  return reply
end
local entries = redis.call('XRANGE', KEYS[1], ARGV[2] .. '-0', '+', 'COUNT', ARGV[3] + 1)
if not entries[1] or entries[1][1] ~= ARGV[2] .. '-0' then
  reply[3] = 0
  return reply
end
for at = 2, #entries do
  local field = entries[at][2][2]
  reply[#reply + 1] = tonumber(string.match(entries[at][1], '^%d+'))
  reply[#reply + 1] = field
  reply[#reply + 1] = redis.call('HGET', KEYS[2], field) or ''
end
return reply
