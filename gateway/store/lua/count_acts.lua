-- Add up what calls use before they leave, all or none of it, and note when they did.
-- KEYS[1]  acts:{id}    KEYS[2]  acts:{id}:{conversation}
-- ARGV     for each count five: place of its key, period, name, amount, most (-1: no limit); amounts are whole
-- reply    {KEYS[1], place of the count that has no room, from 0, or -1}
local LIFE = 32 * 86400
local MOST = 9000000000000000 -- sums stay exact in doubles
local MANY = 1000

-- part: month_of

local time = redis.call('TIME')
local seconds = tonumber(time[1])
local today = math.floor(seconds / 86400)
local stamps = {hour = math.floor(seconds / 3600), day = today, month = month_of(today), conversation = 0}
local now = string.format('%.0f', seconds * 1000000 + tonumber(time[2]))

local sums = {{}, {}}
for at = 1, #ARGV, 5 do
  local place, period, most = tonumber(ARGV[at]), ARGV[at + 1], tonumber(ARGV[at + 4])
  local field = period .. ':' .. ARGV[at + 2]
  local sum = sums[place][field]
  if not sum then
    local stamp, stored = string.match(redis.call('HGET', KEYS[place], field) or '', '^(%d+) (%d+) ')
    sum = (stamp and tonumber(stamp) == stamps[period]) and tonumber(stored) or 0
  end
  sum = sum + tonumber(ARGV[at + 3])
  if most >= 0 and sum > most then
    return {KEYS[1], (at - 1) / 5}
  end
  sums[place][field] = math.min(sum, MOST)
end

for place, fields in ipairs(sums) do
  for field, sum in pairs(fields) do
    local stamp = stamps[string.match(field, '^%a+')]
    redis.call('HSET', KEYS[place], field, string.format('%.0f %.0f %s', stamp, sum, now))
  end
  if next(fields) then
    redis.call('EXPIRE', KEYS[place], LIFE)
    if redis.call('HLEN', KEYS[place]) > MANY then -- names of rules that were changed since
      local stored = redis.call('HGETALL', KEYS[place])
      for at = 1, #stored, 2 do
        if now - string.match(stored[at + 1], '%d+$') > LIFE * 1000000 then
          redis.call('HDEL', KEYS[place], stored[at])
        end
      end
    end
  end
end
return {KEYS[1], -1}
