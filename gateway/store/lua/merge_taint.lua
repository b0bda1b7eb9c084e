-- Add to what a session first read in untrusted results.
-- KEYS[1]  taint:{id}:{session}    KEYS[2]  a place of its own beside it
-- ARGV[1]  the bits to set         ARGV[2]  life, s
-- reply    {KEYS[1]}
redis.call('SET', KEYS[2], ARGV[1])
redis.call('BITOP', 'OR', KEYS[1], KEYS[1], KEYS[2])
redis.call('DEL', KEYS[2])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return {KEYS[1]}
