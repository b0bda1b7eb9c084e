-- Execute a call that was proposed and allowed: take one of its grants.
-- KEYS     grant:{agent}:{digest}: the names that the call may have been proposed under, the most exact first
-- reply    {KEYS[1], the place of the one that was taken, from 1; 0: there is none}
for at = 1, #KEYS do
  local left = tonumber(redis.call('GET', KEYS[at]) or 0)
  if left > 1 then
    redis.call('SET', KEYS[at], left - 1, 'KEEPTTL')
    return {KEYS[1], at}
  elseif left == 1 then
    redis.call('DEL', KEYS[at])
    return {KEYS[1], at}
  end
end
return {KEYS[1], 0}
