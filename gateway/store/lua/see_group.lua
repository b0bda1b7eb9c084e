-- Note which agents of one provider and model were at work, and which of them alarmed.
-- KEYS[1]  active (agent by time, ms)     KEYS[2]  alarms (agent by time, ms)
-- ARGV[1]  now, ms     ARGV[2]  length of the window, ms     ARGV[3]  agents kept     ARGV[4]  life, s
-- ARGV[5]  number n of agents at work, then they     then those that alarmed
-- reply    {KEYS[1], how many alarmed in the window, how many were at work}
local last = 5 + ARGV[5]
for place = 1, 2 do
  local key = KEYS[place]
  for at = place == 1 and 6 or last + 1, place == 1 and last or #ARGV do
    redis.call('ZADD', key, ARGV[1], ARGV[at])
  end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('(%.0f', ARGV[1] - ARGV[2]))
  local over = redis.call('ZCARD', key) - ARGV[3]
  if over > 0 then
    for _, agent in ipairs(redis.call('ZRANGE', key, 0, over - 1)) do
      redis.call('ZREM', key, agent)
    end
  end
  redis.call('EXPIRE', key, ARGV[4])
end
return {KEYS[1], redis.call('ZCARD', KEYS[2]), redis.call('ZCARD', KEYS[1])}
