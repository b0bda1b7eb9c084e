-- Put in place what was laid aside of some agents, and go on in what their watcher reads: all of it or nothing.
-- KEYS[1]  lease     KEYS[2]  position (entry, a slash, number of the save)     KEYS[3]  feed     KEYS[4]  busy
-- KEYS     then for each agent two: where it is laid aside, agent
-- ARGV[1]  who holds the lease: replica, a slash, number of the taking
-- ARGV[2]  the position that this follows, ''     ARGV[3]  the position after it    ARGV[4]  its entry, '': as it was
-- ARGV[5]  life of an agent that is not busy, s
-- then     for each agent two: id, 1 if it is busy
-- reply    {KEYS[1], 1: done; 0: the lease is another's, or something was saved, or lost, since that position}
if redis.call('GET', KEYS[1]) ~= ARGV[1] or (redis.call('GET', KEYS[2]) or '') ~= ARGV[2] then
  return {KEYS[1], 0}
end
for place = 5, #KEYS, 2 do
  local key = KEYS[place]
  if redis.call('EXISTS', key) == 0 then
    return {KEYS[1], 0}
  end
end
for place = 5, #KEYS, 2 do
  local key, agent, busy = KEYS[place + 1], ARGV[place + 1], ARGV[place + 2] == '1'
  redis.call('RENAME', KEYS[place], key)
  if busy then
    redis.call('PERSIST', key)
    redis.call('SADD', KEYS[4], agent)
  else
    redis.call('EXPIRE', key, ARGV[5])
    redis.call('SREM', KEYS[4], agent)
  end
end
redis.call('SET', KEYS[2], ARGV[3])
if ARGV[4] ~= '' then
  redis.call('XTRIM', KEYS[3], 'MINID', '~', ARGV[4])
end
return {KEYS[1], 1}
