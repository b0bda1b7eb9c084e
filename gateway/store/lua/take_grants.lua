-- Hand a call that was proposed and allowed to whoever executes it elsewhere: take all its grants or none, and once.
-- KEYS[1]  grant:{agent}:taken:{token}     then     grant:{agent}:{digest} of each
-- ARGV[1]  life, ms     ARGV[2]  no grant minted by then is good, ms since the epoch     ARGV[3]  life of KEYS[1], s
-- reply    {KEYS[1], 1: they are, now or before; 0: not all are there}
-- part: oldest_grant
if redis.call('EXISTS', KEYS[1]) == 1 then
  return {KEYS[1], 1}
end
local found = {}
for at = 2, #KEYS do
  found[at] = oldest_grant(KEYS[at], ARGV[1], ARGV[2])
  if not found[at] then
    return {KEYS[1], 0}
  end
end
for at = 2, #KEYS do
  redis.call('ZREM', KEYS[at], found[at])
end
redis.call('SET', KEYS[1], 1, 'EX', ARGV[3])
return {KEYS[1], 1}
