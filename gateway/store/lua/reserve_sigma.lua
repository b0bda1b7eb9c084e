-- Say that an agent is about to be blocked on statistical evidence, and hear of whom else that was said lately.
-- KEYS[1]  sigma (agent by the time it was said, us)
-- ARGV[1]  agent     ARGV[2]  how long such a word counts, us     ARGV[3]  1: it is said; 0: it is taken back
-- reply    {KEYS[1], agent, … in the order in which it was said}
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - ARGV[2]))
if ARGV[3] == '1' then
  redis.call('ZADD', KEYS[1], 'NX', string.format('%.0f', now), ARGV[1])
else
  redis.call('ZREM', KEYS[1], ARGV[1])
end
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[2] / 1000))
local reply = redis.call('ZRANGE', KEYS[1], 0, -1)
table.insert(reply, 1, KEYS[1])
return reply
