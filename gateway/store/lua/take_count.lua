-- Take back what was added to a count for one thing.
-- KEYS[1]  counts      KEYS[2]  counted (what was counted, by the time, ms)
-- ARGV[1]  field       ARGV[2]  the thing
-- reply    {KEYS[1], 1: taken back; 0: it was not counted, or that is forgotten}
if redis.call('ZREM', KEYS[2], ARGV[2]) == 0 then
  return {KEYS[1], 0}
end
if tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0') > 0 then
  redis.call('HINCRBY', KEYS[1], ARGV[1], -1)
end
return {KEYS[1], 1}
