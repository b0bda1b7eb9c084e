-- Write one record of a registry.
-- KEYS[1]  registry:{kind}          KEYS[2]  registry:version
-- ARGV[1]  id     ARGV[2]  document     ARGV[3]  1: only if there is none of this id     ARGV[4]  the most it may hold
-- reply    {KEYS[1], 'made' | 'replaced' | 'exists' | 'full'}
local there = redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1
if there and ARGV[3] == '1' then
  return {KEYS[1], 'exists'}
end
if not there and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then
  return {KEYS[1], 'full'}
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('INCR', KEYS[2])
return {KEYS[1], there and 'replaced' or 'made'}
