-- Ask for a person's approval of one call; asked again for the same call, the first answer stands.
-- KEYS[1]  approval:{id}        KEYS[2]  its arguments   KEYS[3]  bound:{digest of whose call of what it is}
-- KEYS[4]  pending, of all      KEYS[5]  pending, of this agent
-- KEYS[6]  index (id by time, us)                        KEYS[7]  what is to be announced, by time, ms
-- ARGV[1]  id      ARGV[2]  life, ms     ARGV[3]  how long it is remembered after that, ms
-- ARGV[4]  pending at most of an agent   ARGV[5]  and of all   ARGV[6]  announcements at most, 0: none are wanted
-- ARGV[7]  arguments, then pairs: field, value
-- reply    {KEYS[1], 1, id, time, end} if it is new, ms; {KEYS[1], 0, id} of the one there is;
--          {KEYS[1], -1 (too many of this agent) or -2 (of all)}
local held = redis.call('GET', KEYS[3])
if held then
  return {KEYS[1], 0, held}
end
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
local life, kept = tonumber(ARGV[2]), tonumber(ARGV[3])
local function whole(number)
  return string.format('%.0f', number)
end
local past = whole(now)
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', past)
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', past)
if redis.call('ZCARD', KEYS[5]) >= tonumber(ARGV[4]) then
  return {KEYS[1], -1}
end
if redis.call('ZCARD', KEYS[4]) >= tonumber(ARGV[5]) then
  return {KEYS[1], -2}
end
local expires = whole(now + life)
local fields = {}
for at = 8, #ARGV do
  fields[#fields + 1] = ARGV[at]
end
redis.call('HSET', KEYS[1], 'status', 'pending', 'created_at', past, 'expires_at', expires, unpack(fields))
redis.call('PEXPIRE', KEYS[1], life + kept)
redis.call('SET', KEYS[2], ARGV[7], 'PX', life)
redis.call('SET', KEYS[3], ARGV[1], 'PX', life)
redis.call('ZADD', KEYS[4], expires, ARGV[1])
redis.call('PEXPIRE', KEYS[4], life)
redis.call('ZADD', KEYS[5], expires, ARGV[1])
redis.call('PEXPIRE', KEYS[5], life)
redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', whole(micros - (life + kept) * 1000))
redis.call('ZADD', KEYS[6], whole(micros), ARGV[1])
redis.call('PEXPIRE', KEYS[6], life + kept)
if ARGV[6] ~= '0' then
  redis.call('ZADD', KEYS[7], past, ARGV[1] .. ' requested')
  local over = redis.call('ZCARD', KEYS[7]) - ARGV[6]
  if over > 0 then
    redis.call('ZREM', KEYS[7], unpack(redis.call('ZRANGE', KEYS[7], 0, over - 1)))
  end
  redis.call('PEXPIRE', KEYS[7], life)
end
return {KEYS[1], 1, ARGV[1], now, now + life}
