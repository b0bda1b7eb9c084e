-- Execute a call that was proposed and allowed: take one of its grants.
-- KEYS     grant:{agent}:{digest}: the names that the call may have been proposed under, the most exact first
-- ARGV[1]  life, ms     ARGV[2]  no grant minted by then is good, ms since the epoch     ARGV[3]  1: take; 0: only look
-- reply    {KEYS[1], the place of the one that was found, from 1; 0: there is none}
-- part: oldest_grant
for at = 1, #KEYS do
  local found = oldest_grant(KEYS[at], ARGV[1], ARGV[2])
  if found then
    if ARGV[3] == '1' then
      redis.call('ZREM', KEYS[at], found)
    end
    return {KEYS[1], at}
  end
end
return {KEYS[1], 0}
