-- Put one message into the queue of a webhook. One that is in it already stays as it is, one that was settled is gone.
-- KEYS[1]  due:{endpoint} (message by the time of its next try, ms)   KEYS[2]  messages:{endpoint}   KEYS[3]  tries:{endpoint}
-- KEYS[4]  settled:{endpoint}
-- ARGV[1]  id       ARGV[2]  the time after which it is of no use, ms, a space, and the message
-- ARGV[3]  messages at most: the one that is due first makes room     ARGV[4]  life of the queue, ms
-- reply    {KEYS[1], how many made room}
if redis.call('ZSCORE', KEYS[4], ARGV[1]) or redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2]) == 0 then
  return {KEYS[1], 0}
end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), ARGV[1])
local over = redis.call('ZCARD', KEYS[1]) - ARGV[3]
local gone = over > 0 and redis.call('ZRANGE', KEYS[1], 0, over - 1) or {}
for _, id in ipairs(gone) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
  redis.call('HDEL', KEYS[3], id)
end
for at = 1, 3 do
  local key = KEYS[at]
  redis.call('PEXPIRE', key, ARGV[4])
end
return {KEYS[1], #gone}
