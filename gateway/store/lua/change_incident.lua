-- Change an incident, if it still is as it was read.
-- KEYS[1]  record     KEYS[2]  index (id by time opened, us)   KEYS[3]  those that are open   KEYS[4]  those of its agent
-- ARGV[1]  id         ARGV[2]  the record as it was      ARGV[3]  the record as it shall be
-- ARGV[4]  time it was opened, us      ARGV[5]  1: it is open     ARGV[6]  how long it is kept from now, s
-- reply    {KEYS[1], 1: done; 0: it is another by now}
if redis.call('GET', KEYS[1]) ~= ARGV[2] then
  return {KEYS[1], 0}
end
redis.call('SET', KEYS[1], ARGV[3], 'EX', ARGV[6])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
redis.call('ZADD', KEYS[4], ARGV[4], ARGV[1])
if ARGV[5] == '1' then
  redis.call('ZADD', KEYS[3], ARGV[4], ARGV[1])
else
  redis.call('ZREM', KEYS[3], ARGV[1])
end
for place = 2, 4 do
  local key = KEYS[place]
  redis.call('EXPIRE', key, ARGV[6])
end
return {KEYS[1], 1}
