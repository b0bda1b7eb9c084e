-- Which layout do the stored data have? A store without one gets ours.
-- KEYS[1]  schema
-- ARGV[1]  our number
-- reply    {KEYS[1], the number as stored, 1 if it was stored now else 0}
local stored = redis.call('GET', KEYS[1])
if stored then
  return {KEYS[1], stored, 0}
end
redis.call('SET', KEYS[1], ARGV[1])
return {KEYS[1], ARGV[1], 1}
