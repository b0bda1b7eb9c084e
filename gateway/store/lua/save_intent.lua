-- Remember an intent that was minted.
-- KEYS[1]  record of it   KEYS[2]  index (id by time, us)   KEYS[3]  those of the agent that asked, by their end, ms
-- ARGV[1]  id             ARGV[2]  the record               ARGV[3]  its end, ms   ARGV[4]  remembered after that, ms
-- ARGV[5]  intents at most that one agent may have asked for and that have not ended
-- reply    {KEYS[1], 1: done; 0: the agent has too many}
-- Said twice, it is done once.
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
local function whole(number)
  return string.format('%.0f', number)
end
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', whole(now))
if not redis.call('ZSCORE', KEYS[3], ARGV[1]) and redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[5]) then
  return {KEYS[1], 0}
end
local longest = 86400000 + tonumber(ARGV[4])
redis.call('SET', KEYS[1], ARGV[2], 'PX', whole(math.max(1, ARGV[3] + ARGV[4] - now)))
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', whole(micros - longest * 1000))
redis.call('ZADD', KEYS[2], 'NX', whole(micros), ARGV[1])
redis.call('PEXPIRE', KEYS[2], longest)
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[3], longest)
return {KEYS[1], 1}
