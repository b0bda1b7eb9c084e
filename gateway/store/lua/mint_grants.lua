-- Let calls that a model proposed, and that were allowed, be executed: each once more.
-- KEYS     grant:{agent}:{digest}, one a call; the same key twice for two equal calls
-- ARGV[1]  life, s
-- reply    {KEYS[1], how often each may be executed now…}
local reply = {KEYS[1]}
for at = 1, #KEYS do
  local left = tonumber(redis.call('GET', KEYS[at]) or 0) + 1
  redis.call('SET', KEYS[at], left, 'EX', ARGV[1])
  reply[#reply + 1] = left
end
return reply
