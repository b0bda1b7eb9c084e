-- Hold an agent's answer for a while, if there are not too many of them held.
-- KEYS[1]  held:{agent}: answers by the end of their time, ms
-- ARGV[1]  name of the answer   ARGV[2]  for how long, ms   ARGV[3]  held at most
-- reply    {KEYS[1], 1 if it is held else 0}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then
  return {KEYS[1], 0}
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], 3600000)
return {KEYS[1], 1}
