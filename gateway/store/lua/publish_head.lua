-- Publish a chain's newest checkpoint, unless another one stands that does not agree with it.
-- KEYS[1]   audit:{chain}:head
-- ARGV[1]   size     ARGV[2]  root, hexadecimal     ARGV[3]  the signed note
-- ARGV[4]   time, ms                                ARGV[5]  life, ms
-- reply     {KEYS[1], 1}, or {KEYS[1], 0} if the chain has been continued or written by somebody else
local key = KEYS[1]
local size = tonumber(redis.call('HGET', key, 'size') or -1)
local new = tonumber(ARGV[1])
if size > new or (size == new and redis.call('HGET', key, 'root') ~= ARGV[2]) then
  return {key, '0'}
end
redis.call('HSET', key, 'size', ARGV[1], 'root', ARGV[2], 'note', ARGV[3], 'time', ARGV[4])
redis.call('PEXPIRE', key, ARGV[5])
return {key, '1'}
