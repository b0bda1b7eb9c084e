-- Set aside what one exchange may use: of all its bounds, or of none. Asked twice for one exchange, it counts once.
-- KEYS[1]  reservation:{id}; the other keys are named by their place
-- ARGV[1]  id of the exchange                      ARGV[2]  output tokens it would like
-- ARGV[3]  output tokens below which it is no use  ARGV[4]  life of an open reservation, s
-- ARGV[5]  length of a lease, us
-- then for each bound seven: span (minute, calls, now, day, month, conversation), place of its counts, place of its log
--          (0: none), field in the counts, most, base, per output token
-- reply    {KEYS[1], -1, output tokens granted, time in us, what is left of each bound…}
--       or {KEYS[1], place of the bound that has no room (0 is the first), used, time in us, us until it may have room}
local MINUTE = 60000000
local LIFE = {minute = 120, calls = 120, now = 120, day = 2 * 86400, month = 32 * 86400, conversation = 7 * 86400}

local function whole(number)
  return string.format('%.0f', number)
end

-- Drop what left the minute; what the counts say of the rest. An empty log means that nothing is counted.
local function trim(key, now)
  local gone = 0
  for _, entry in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', whole(now - MINUTE))) do
    gone = gone + tonumber(string.match(entry, '^%d+'))
  end
  if gone > 0 then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', whole(now - MINUTE))
  end
  return gone, redis.call('ZCARD', key)
end

local function read(key, field)
  return tonumber(redis.call('HGET', key, field) or 0)
end

local function write(key, field, value)
  redis.call('HSET', key, field, whole(value))
end

local function leases(key, now)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', whole(now))
  return redis.call('ZCARD', key)
end

-- Microseconds until `amount` of the log has left the minute.
local function wait(key, amount, now)
  local log = redis.call('ZRANGE', key, 0, 999, 'WITHSCORES')
  local last = now
  for at = 1, #log, 2 do
    last = tonumber(log[at + 1])
    amount = amount - tonumber(string.match(log[at], '^%d+'))
    if amount <= 0 then
      break
    end
  end
  return last + MINUTE - now
end

local function enter(key, score, entry, life)
  redis.call('ZADD', key, whole(score), entry)
  redis.call('EXPIRE', key, life)
end

local function keep(key, life)
  redis.call('EXPIRE', key, life)
end

local function note(key, value, life)
  redis.call('SET', key, value, 'EX', life)
end

-- Months counted from March of year 0 (https://howardhinnant.github.io/date_algorithms.html#civil_from_days).
local function month_of(days)
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  return (yoe + era * 400) * 12 + math.floor((5 * doy + 2) / 153)
end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local today = math.floor(time[1] / 86400)
local stamps = {day = today, month = month_of(today), conversation = 0}
local granted, least, lease = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[5])

local before = redis.call('GET', KEYS[1])
local bounds = {}
for at = 6, #ARGV, 7 do
  local bound = {
    span = ARGV[at], counts = KEYS[tonumber(ARGV[at + 1])], log = KEYS[tonumber(ARGV[at + 2])], field = ARGV[at + 3],
    most = tonumber(ARGV[at + 4]), base = tonumber(ARGV[at + 5]), per = tonumber(ARGV[at + 6]),
  }
  local span = bound.span
  if span == 'now' then
    bound.used = leases(bound.log, now)
  elseif span == 'minute' or span == 'calls' then
    local gone, entries = trim(bound.log, now)
    bound.used = entries > 0 and read(bound.counts, bound.field) - gone or 0
    write(bound.counts, bound.field, bound.used)
    keep(bound.counts, LIFE[span])
  else
    local current = read(bound.counts, bound.field .. ':at') == stamps[span]
    bound.used = current and read(bound.counts, bound.field) or 0
  end
  bounds[#bounds + 1] = bound
end

if before then
  local reply = {KEYS[1], -1, tonumber(string.match(before, '^%d+') or 0), whole(now)}
  for place, bound in ipairs(bounds) do
    reply[4 + place] = whole(bound.most - bound.used)
  end
  return reply
end

for place, bound in ipairs(bounds) do
  local room = bound.most - bound.used - bound.base
  if bound.per > 0 then
    local fits = math.floor(room / bound.per)
    if fits < least then
      return {KEYS[1], place - 1, whole(bound.used), whole(now), 0}
    end
    granted = math.min(granted, fits)
  elseif room < 0 and bound.base > 0 then
    local pause = (bound.span == 'minute' or bound.span == 'calls') and wait(bound.log, -room, now) or 0
    return {KEYS[1], place - 1, whole(bound.used), whole(now), whole(pause)}
  end
end

local reply, charges = {KEYS[1], -1, granted, whole(now)}, {}
local lives = {}
for place, bound in ipairs(bounds) do
  local charge = math.ceil(bound.base + bound.per * granted)
  local span = bound.span
  if span == 'now' then
    enter(bound.log, now + lease, ARGV[1], LIFE.now)
  elseif span == 'minute' or span == 'calls' then
    if charge > 0 then
      enter(bound.log, now, whole(charge) .. ' ' .. ARGV[1], 61)
      write(bound.counts, bound.field, bound.used + charge)
    end
  else
    -- Also where nothing is set aside: what is used after all is counted in this day, month or conversation.
    write(bound.counts, bound.field .. ':at', stamps[span])
    write(bound.counts, bound.field, bound.used + charge)
  end
  if span ~= 'now' then
    lives[bound.counts] = math.max(lives[bound.counts] or 0, LIFE[span])
  end
  charges[place] = whole(charge)
  reply[4 + place] = whole(bound.most - bound.used - charge)
end
for counts, life in pairs(lives) do
  keep(counts, life)
end
local stamp = {granted, whole(now), stamps.day, stamps.month}
note(KEYS[1], table.concat(stamp, ' ') .. ' ' .. table.concat(charges, ' '), ARGV[4])
return reply
