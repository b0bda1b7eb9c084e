-- Which of some approvals wait no longer?
-- KEYS[1]  pending, of all: id by its end, ms
-- ARGV     ids
-- reply    {KEYS[1], id, …}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local reply = {KEYS[1]}
for _, id in ipairs(ARGV) do
  local ends = redis.call('ZSCORE', KEYS[1], id)
  if not ends or tonumber(ends) <= now then
    reply[#reply + 1] = id
  end
end
return reply
