-- What an agent's allowed calls added up to, when they were, and what it read.
-- KEYS[1]  acts:{id}    KEYS[2]  acts:{id}:{conversation}    KEYS[3]  taint:{id}:{session}
-- ARGV[1]  life of what it read, s    then for each count three: place of its key (1 or 2), period, name
-- reply    {KEYS[1], {for each count: sum in this period, and time of the last in us, or ''}, what it read or ''}
local function month_of(days) -- https://howardhinnant.github.io/date_algorithms.html#civil_from_days
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  return (yoe + era * 400) * 12 + math.floor((5 * doy + 2) / 153)
end

local seconds = tonumber(redis.call('TIME')[1])
local today = math.floor(seconds / 86400)
local stamps = {hour = math.floor(seconds / 3600), day = today, month = month_of(today), conversation = 0}

local counts = {}
for at = 2, #ARGV, 3 do
  local period = ARGV[at + 1]
  local found = redis.call('HGET', KEYS[tonumber(ARGV[at])], period .. ':' .. ARGV[at + 2]) or ''
  local stamp, sum, last = string.match(found, '^(%d+) (%d+) (%d+)$')
  counts[#counts + 1] = (stamp and tonumber(stamp) == stamps[period]) and sum or '0'
  counts[#counts + 1] = last or ''
end
local read = redis.call('GET', KEYS[3]) or ''
if read ~= '' then
  redis.call('EXPIRE', KEYS[3], ARGV[1])
end
return {KEYS[1], counts, read}
