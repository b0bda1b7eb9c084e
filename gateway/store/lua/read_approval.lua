-- Read one approval.
-- KEYS[1]  approval:{id}   KEYS[2]  its arguments
-- reply    {KEYS[1], time in ms, arguments or nothing, field, value, …}; no field if there is none
local time = redis.call('TIME')
local reply = {KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000), redis.call('GET', KEYS[2])}
for _, part in ipairs(redis.call('HGETALL', KEYS[1])) do
  reply[#reply + 1] = part
end
return reply
