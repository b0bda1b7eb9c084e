-- Remember that sessions of an agent have read results of tools.
-- KEYS[1]  results:{agent}: session (a digest; '' for those without a name) -> when it read one last, s
-- ARGV[1]  life, s   ARGV[2]  sessions at most   then sessions
-- reply    {KEYS[1], how many are known now}
-- Of more sessions than that nobody keeps count: then it is the agent that has read something.
local now = redis.call('TIME')[1]
for at = 3, #ARGV do
  local known = redis.call('HEXISTS', KEYS[1], ARGV[at]) == 1 or redis.call('HLEN', KEYS[1]) < tonumber(ARGV[2])
  redis.call('HSET', KEYS[1], known and ARGV[at] or '', now)
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return {KEYS[1], redis.call('HLEN', KEYS[1])}
