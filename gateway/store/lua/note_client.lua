-- Remember from where an agent's key is used, and say whether that was known.
-- KEYS[1]  hash: `c:` and a kind of client, `a:` and a network -> when it was last noted, s
-- ARGV[1]  the client        ARGV[2]  the network
-- ARGV[3]  how many of both are remembered       ARGV[4]  their life, s
-- reply    {KEYS[1], how many were remembered, whether the client was, whether the network was}
local before = redis.call('HLEN', KEYS[1])
local now, reply = redis.call('TIME')[1], {KEYS[1], before}
for place, field in ipairs({'c:' .. ARGV[1], 'a:' .. ARGV[2]}) do
  local known = redis.call('HEXISTS', KEYS[1], field)
  if known == 1 or redis.call('HLEN', KEYS[1]) < tonumber(ARGV[3]) then
    redis.call('HSET', KEYS[1], field, now)
  end
  reply[place + 2] = known
end
redis.call('EXPIRE', KEYS[1], ARGV[4])
return reply
