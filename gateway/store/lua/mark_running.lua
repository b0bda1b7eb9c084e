-- Say whether a replica still has exchanges of an agent under way, and ask how many replicas do.
-- KEYS[1]  running:{id}
-- ARGV[1]  replica    ARGV[2]  1: it has some    ARGV[3]  how long that word holds, ms
-- reply    {KEYS[1], how many replicas have some}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if ARGV[2] == '1' then
  redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
  redis.call('PEXPIRE', KEYS[1], 2 * ARGV[3])
else
  redis.call('ZREM', KEYS[1], ARGV[1])
end
return {KEYS[1], redis.call('ZCARD', KEYS[1])}
