-- Say what became of a try.
-- KEYS[1]  due:{endpoint}   KEYS[2]  messages:{endpoint}   KEYS[3]  tries:{endpoint}
-- ARGV[1]  id               ARGV[2]  ms until the next try, -1: there is none
-- reply    {KEYS[1]}
if tonumber(ARGV[2]) >= 0 then
  local time = redis.call('TIME')
  local at = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2]
  redis.call('ZADD', KEYS[1], 'XX', string.format('%.0f', at), ARGV[1])
  return {KEYS[1]}
end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
return {KEYS[1]}
