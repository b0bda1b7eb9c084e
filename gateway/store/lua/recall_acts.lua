-- What an agent's allowed calls added up to, when they were, and what it read.
-- KEYS[1]  acts:{id}    KEYS[2]  acts:{id}:{conversation}    KEYS[3]  taint:{id}:{session}
-- ARGV[1]  life of what it read, s    then for each count three: place of its key (1 or 2), period, name
-- reply    {KEYS[1], {for each count: sum in this period, and time of the last in us, or ''}, what it read or ''}
-- part: month_of

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
