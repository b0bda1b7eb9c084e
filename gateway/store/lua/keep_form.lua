-- Keep what an agent behind a fingerprint looks like, if it is not known yet and there is room.
-- KEYS[1]  forms:{id of the fingerprint's own agent}
-- ARGV[1]  the agent's id     ARGV[2]  its form     ARGV[3]  the most there may be     ARGV[4]  seconds they are kept
-- reply    {KEYS[1], 1 if it is kept now or was before else 0}
local key = KEYS[1]
if redis.call('HEXISTS', key, ARGV[1]) == 0 then
  if redis.call('HLEN', key) >= tonumber(ARGV[3]) then
    return {key, 0}
  end
  redis.call('HSET', key, ARGV[1], ARGV[2])
end
redis.call('EXPIRE', key, ARGV[4])
return {key, 1}
