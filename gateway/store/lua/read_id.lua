-- May an unverified id be used behind a credential?
-- KEYS[1]  credential:{id}
-- ARGV[1]  the agent's id     ARGV[2]  the most ids it may have
-- reply    {KEYS[1], 1 if it is one of them else 0, how many there are, and if no other has room: all of them}
local key = KEYS[1]
local count = redis.call('ZCARD', key)
local reply = {key, redis.call('ZSCORE', key, ARGV[1]) and 1 or 0, count}
if count >= tonumber(ARGV[2]) then
  for _, id in ipairs(redis.call('ZRANGE', key, 0, -1)) do
    reply[#reply + 1] = id
  end
end
return reply
