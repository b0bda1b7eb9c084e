-- Remember an incident that is new.
-- KEYS[1]  record     KEYS[2]  index (id by time opened, us)   KEYS[3]  those that are open   KEYS[4]  those of its agent
-- ARGV[1]  id         ARGV[2]  the record       ARGV[3]  time it was opened, us
-- ARGV[4]  how long it is kept, s               ARGV[5]  incidents of one agent
-- reply    {KEYS[1], the record that is there now}
local known = redis.call('GET', KEYS[1])
if known then
  return {KEYS[1], known}
end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[4])
for place = 2, 4 do
  local key = KEYS[place]
  redis.call('ZADD', key, ARGV[3], ARGV[1])
  redis.call('EXPIRE', key, ARGV[4])
end
local over = redis.call('ZCARD', KEYS[4]) - ARGV[5]
if over > 0 then
  for _, id in ipairs(redis.call('ZRANGE', KEYS[4], 0, over - 1)) do
    redis.call('ZREM', KEYS[4], id)
  end
end
return {KEYS[1], ARGV[2]}
