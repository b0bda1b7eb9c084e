-- Enter an unverified id behind a credential, if there is room.
-- KEYS[1]  credential:{id}
-- ARGV[1]  the agent's id     ARGV[2]  the most ids it may have     ARGV[3]  seconds until all are forgotten if unused
-- reply    {KEYS[1], 1 if it is one of them now else 0}
local key = KEYS[1]
if not redis.call('ZSCORE', key, ARGV[1]) then
  if redis.call('ZCARD', key) >= tonumber(ARGV[2]) then
    return {key, 0}
  end
  redis.call('ZADD', key, redis.call('TIME')[1], ARGV[1])
end
redis.call('EXPIRE', key, ARGV[3])
return {key, 1}
