-- Keep a value for a while.
-- KEYS[1]  the key
-- ARGV[1]  the value          ARGV[2]  for how many seconds
-- reply    {KEYS[1], 1}
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return {KEYS[1], 1}
