-- Note which agents of one provider and model were at work, and which of them alarmed.
-- KEYS     active, alarms, known (each agent by time, ms; of those that alarmed, who was known before)
-- ARGV[1]  now, ms     ARGV[2]  length of the window, ms     ARGV[3]  agents kept     ARGV[4]  life, s
-- then     for each key: number n of agents, then they
-- reply    {KEYS[1], for each key: how many in the window}
local at, reply = 5, {KEYS[1]}
for place, key in ipairs(KEYS) do
  local last = at + ARGV[at]
  for agent = at + 1, last do
    redis.call('ZADD', key, ARGV[1], ARGV[agent])
  end
  at = last + 1
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('(%.0f', ARGV[1] - ARGV[2]))
  local over = redis.call('ZCARD', key) - ARGV[3]
  if over > 0 then
    for _, agent in ipairs(redis.call('ZRANGE', key, 0, over - 1)) do
      redis.call('ZREM', key, agent)
    end
  end
  redis.call('EXPIRE', key, ARGV[4])
  reply[place + 1] = redis.call('ZCARD', key)
end
return reply
