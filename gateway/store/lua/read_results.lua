-- Whether an agent has read results of tools.
-- KEYS[1]  results:{agent}
-- ARGV[1]  life, s   ARGV[2]  1: in any session; 0: in one of these, or in one without a name   then sessions
-- reply    {KEYS[1], 1 if it has else 0}
local since = redis.call('TIME')[1] - ARGV[1]
if ARGV[2] == '1' then
  return {KEYS[1], redis.call('EXISTS', KEYS[1])}
end
local sessions = {''}
for at = 3, #ARGV do
  sessions[#sessions + 1] = ARGV[at]
end
for _, at in ipairs(redis.call('HMGET', KEYS[1], unpack(sessions))) do
  if at and tonumber(at) > since then
    return {KEYS[1], 1}
  end
end
return {KEYS[1], 0}
