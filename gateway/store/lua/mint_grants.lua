-- Let calls that a model proposed, and that were allowed, be executed: each once more, for a while from now.
-- KEYS     grant:{agent}:{digest}, one a call; the same key twice for two equal calls
-- ARGV[1]  life, ms          ARGV[2]  how many of one key are kept, the newest
-- reply    {KEYS[1]}
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
for at = 1, #KEYS do
  redis.call('ZADD', KEYS[at], now, time[1] .. '.' .. time[2] .. '/' .. at)
  if redis.call('ZCARD', KEYS[at]) > tonumber(ARGV[2]) then
    redis.call('ZREM', KEYS[at], redis.call('ZRANGE', KEYS[at], 0, 0)[1])
  end
  redis.call('PEXPIRE', KEYS[at], ARGV[1])
end
return {KEYS[1]}
