-- Add one to a count, once for the same thing.
-- KEYS[1]  counts      KEYS[2]  counted (what was counted, by the time, ms)
-- ARGV[1]  field       ARGV[2]  the thing; '': it is counted each time    ARGV[3]  things remembered
-- ARGV[4]  fields at most
-- reply    {KEYS[1], 1: counted; 0: it was, or there are too many fields}
if ARGV[2] ~= '' then
  if redis.call('ZSCORE', KEYS[2], ARGV[2]) then
    return {KEYS[1], 0}
  end
  local time = redis.call('TIME')
  redis.call('ZADD', KEYS[2], string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), ARGV[2])
  for _, thing in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1 - ARGV[3])) do
    redis.call('ZREM', KEYS[2], thing)
  end
end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then
  return {KEYS[1], 0}
end
redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
return {KEYS[1], 1}
