-- Make leases last longer, of exchanges that are still under way. One that ran out is not given again.
-- KEYS     leases:{subject} of each, in order; a key may stand there many times
-- ARGV[1]  length of a lease, us
-- then     the id of each exchange
-- reply    {KEYS[1], how many were asked for}
local time = redis.call('TIME')
local till = string.format('%.0f', time[1] * 1000000 + time[2] + ARGV[1])
for at, key in ipairs(KEYS) do
  redis.call('ZADD', key, 'XX', till, ARGV[at + 1])
end
for at, key in ipairs(KEYS) do
  redis.call('EXPIRE', key, 120)
end
return {KEYS[1], #KEYS}
