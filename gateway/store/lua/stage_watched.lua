-- Lay aside what a save will put in place of what is known of some agents.
-- KEYS     for each agent two: where it is laid aside, agent
-- ARGV[1]  how long it may lie there, s
-- then     for each agent: the number n of its fields, then n pairs: field, value; then p, its caps; '': as they were
-- reply    {KEYS[1]}
local at = 2
for place = 1, #KEYS, 2 do
  local key = KEYS[place]
  local last = at + 2 * ARGV[at]
  redis.call('HSET', key, unpack(ARGV, at + 1, last))
  local caps = ARGV[last + 1]
  if caps == '' then
    caps = redis.call('HGET', KEYS[place + 1], 'p')
  end
  if caps then
    redis.call('HSET', key, 'p', caps)
  end
  redis.call('EXPIRE', key, ARGV[1])
  at = last + 2
end
return {KEYS[1]}
