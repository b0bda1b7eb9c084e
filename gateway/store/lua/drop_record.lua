-- Delete one record of a registry.
-- KEYS[1]  registry:{kind}          KEYS[2]  registry:version
-- ARGV[1]  id
-- reply    {KEYS[1], 1 if it was there else 0}
local dropped = redis.call('HDEL', KEYS[1], ARGV[1])
if dropped == 1 then
  redis.call('INCR', KEYS[2])
end
return {KEYS[1], dropped}
