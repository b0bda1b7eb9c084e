-- Take messages that are due; until the time of this try is over nobody else gets them.
-- KEYS[1]  due:{endpoint}   KEYS[2]  messages:{endpoint}   KEYS[3]  tries:{endpoint}
-- ARGV[1]  messages at most   ARGV[2]  time of a try, ms   ARGV[3]  life of the queue, ms
-- reply    {KEYS[1], ms until the next one is due or -1, time in ms, id, its tries with this one, the message, …}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[1])
local reply = {KEYS[1], -1, now}
for _, id in ipairs(due) do
  local message = redis.call('HGET', KEYS[2], id)
  if message then
    redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), id)
    reply[#reply + 1] = id
    reply[#reply + 1] = redis.call('HINCRBY', KEYS[3], id, 1)
    reply[#reply + 1] = message
  else
    redis.call('ZREM', KEYS[1], id)
  end
end
if #reply > 3 then
  redis.call('PEXPIRE', KEYS[3], ARGV[3])
end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if first[1] then
  reply[2] = math.max(0, tonumber(first[2]) - now)
end
return reply
