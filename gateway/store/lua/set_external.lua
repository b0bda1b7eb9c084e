-- Say that a provider's model is the cause of what its agents suffer from, for a while.
-- KEYS[1]  external (digest -> since, a space, until, a space, provider and model)
-- ARGV[1]  digest    ARGV[2]  now, s    ARGV[3]  until, s    ARGV[4]  provider and model    ARGV[5]  groups at most
-- reply    {KEYS[1], since when it is; '': there are too many}
local known = redis.call('HGET', KEYS[1], ARGV[1])
local since, till = string.match(known or '', '^(%S+) (%S+) ')
if not known and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then
  return {KEYS[1], ''}
end
if not since or tonumber(till) < tonumber(ARGV[2]) then
  since, till = ARGV[2], ARGV[3]
elseif tonumber(till) < tonumber(ARGV[3]) then
  till = ARGV[3]
end
redis.call('HSET', KEYS[1], ARGV[1], since .. ' ' .. till .. ' ' .. ARGV[4])
return {KEYS[1], since}
