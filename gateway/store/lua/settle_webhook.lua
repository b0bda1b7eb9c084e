-- Say what became of a try.
-- KEYS[1]  due:{endpoint}       KEYS[2]  messages:{endpoint}   KEYS[3]  tries:{endpoint}
-- KEYS[4]  settled:{endpoint}: what needs no more tries, by when, ms; so that a replica that is late adds none again
-- ARGV[1]  id                   ARGV[2]  ms until the next try, -1: there is none
-- ARGV[3]  how long it is remembered that there is none, ms
-- reply    {KEYS[1]}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if tonumber(ARGV[2]) >= 0 then
  redis.call('ZADD', KEYS[1], 'XX', string.format('%.0f', now + ARGV[2]), ARGV[1])
  return {KEYS[1]}
end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('ZADD', KEYS[4], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', string.format('%.0f', now - ARGV[3]))
redis.call('PEXPIRE', KEYS[4], ARGV[3])
return {KEYS[1]}
