-- Forget what is known of an agent, and have its watcher begin anew: it may be about to save it.
-- KEYS[1]  position (entry, a slash, number of the save)     KEYS[2]  busy     KEYS  then what is kept of the agent
-- ARGV[1]  agent
-- reply    {KEYS[1]}
for place = 3, #KEYS do
  redis.call('DEL', KEYS[place])
end
redis.call('SREM', KEYS[2], ARGV[1])
local entry, number = string.match(redis.call('GET', KEYS[1]) or '', '^(.*)/(%d+)$')
if entry then
  redis.call('SET', KEYS[1], entry .. '/' .. string.format('%.0f', number + 1))
end
return {KEYS[1]}
