-- Change fields of an agent that exists; what is gone does not come back by it.
-- KEYS[1]  agent:{id}
-- ARGV     pairs: field, value; an empty value removes the field
-- reply    {KEYS[1], 1 if the agent exists else 0}
local key = KEYS[1]
if redis.call('HEXISTS', key, 'first_seen') == 0 then
  return {key, 0}
end
for at = 1, #ARGV, 2 do
  if ARGV[at + 1] == '' then
    redis.call('HDEL', key, ARGV[at])
  else
    redis.call('HSET', key, ARGV[at], ARGV[at + 1])
  end
end
return {key, 1}
