-- Use an approval: once.
-- KEYS[1]  approval:{id}   KEYS[2]  its arguments   KEYS[3]  bound:{digest of whose call of what it is}
-- ARGV[1]  id              ARGV[2]  name of this try: tried again, it is the same use
-- reply    {KEYS[1], 1 if it may be used now else 0}
local held = redis.call('HMGET', KEYS[1], 'status', 'expires_at', 'use')
if held[3] == ARGV[2] then
  return {KEYS[1], 1}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if held[1] ~= 'approved' or held[3] or tonumber(held[2]) <= now or redis.call('GET', KEYS[3]) ~= ARGV[1] then
  return {KEYS[1], 0}
end
redis.call('HSET', KEYS[1], 'used_at', string.format('%.0f', now), 'use', ARGV[2])
redis.call('DEL', KEYS[2])
redis.call('DEL', KEYS[3])
return {KEYS[1], 1}
