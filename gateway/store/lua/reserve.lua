-- Set aside what one exchange may use: of all its bounds, or of none. Asked twice for one exchange, it counts once.
-- Commands are most of what it costs: what lies together is read and written at once, lives are not prolonged each time.
-- KEYS[1]  reservation:{id}; the other keys are named by their place
-- ARGV[1]  id of the exchange                      ARGV[2]  life of an open reservation, s
-- ARGV[3]  length of a lease, us
-- ARGV[4]  doubles: output tokens it would like, output tokens below which it is no use; for each bound base, per token
-- then for each bound five: span (minute, calls, now, day, month, conversation), place of its counts, place of its log
--          (0: none), field in the counts, most
-- reply    {KEYS[1], doubles: -1, output tokens granted, time in us, what is left of each bound…}
--       or {KEYS[1], doubles: place of the bound that has no room (0 is the first), used, time in us, us until it may}
local MINUTE = 60000000
local LIFE = {minute = 120, calls = 120, now = 120, day = 2 * 86400, month = 32 * 86400, conversation = 7 * 86400}
local TURN = 30 -- seconds for which the life of what a minute counts is not prolonged again: 90 are always left

local function whole(number)
  return string.format('%.0f', number)
end

local function said(numbers)
  return {KEYS[1], struct.pack('<' .. string.rep('d', #numbers), unpack(numbers))}
end

-- part: month_of

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local today = math.floor(time[1] / 86400)
local turn = math.floor(time[1] / TURN)
local stamps = {minute = turn, calls = turn, day = today, month = month_of(today), conversation = 0}

local function leases(key)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', whole(now))
  return redis.call('ZCARD', key)
end

-- What `count` says of a minute without that which has left it, and whether the log's life must be set. An empty log
-- means that nothing is counted.
local function slide(key, count)
  local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if not first[1] then
    return 0, true
  end
  if tonumber(first[2]) > now - MINUTE then
    return count, false
  end
  for _, entry in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', whole(now - MINUTE))) do
    count = count - tonumber(string.match(entry, '^%d+'))
  end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', whole(now - MINUTE))
  return math.max(0, count), true -- the counts may have run out before a log of which nothing counts any more
end

-- Microseconds until `amount` of the log has left the minute.
local function wait(key, amount)
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
  if life then
    redis.call('EXPIRE', key, life)
  end
end

local function values(key, fields)
  return redis.call('HMGET', key, unpack(fields))
end

local function write(key, pairs_of_fields, life)
  if #pairs_of_fields > 0 then
    redis.call('HSET', key, unpack(pairs_of_fields))
  end
  if life > 0 then
    redis.call('EXPIRE', key, life)
  end
end

local function note(key, value)
  redis.call('SET', key, value, 'EX', ARGV[2])
end

local bounds, hashes = {}, {}
local count = (#ARGV - 4) / 5
local numbers = {struct.unpack('<' .. string.rep('d', 2 + 2 * count), ARGV[4])}
local granted, least = numbers[1], numbers[2]
for place = 1, count do
  local at = 5 * place
  local span, counts = ARGV[at], KEYS[tonumber(ARGV[at + 1])]
  local bound = {
    span = span, counts = counts, log = KEYS[tonumber(ARGV[at + 2])], field = ARGV[at + 3],
    most = tonumber(ARGV[at + 4]), base = numbers[1 + 2 * place], per = numbers[2 + 2 * place],
    rate = span == 'minute' or span == 'calls',
  }
  if span ~= 'now' then
    local hash = hashes[counts]
    if not hash then
      hash = {fields = {}, changes = {}, life = 0, late = false}
      hashes[counts] = hash
    end
    bound.hash, bound.at = hash, #hash.fields + 1
    hash.fields[bound.at], hash.fields[bound.at + 1] = bound.field, bound.field .. ':at'
    hash.life = math.max(hash.life, LIFE[span])
  end
  bounds[place] = bound
end
for counts, hash in pairs(hashes) do
  hash.values = values(counts, hash.fields)
end

local before = redis.call('GET', KEYS[1])
for _, bound in ipairs(bounds) do
  local span, hash = bound.span, bound.hash
  if not hash then
    bound.used = leases(bound.log)
  else
    local used = tonumber(hash.values[bound.at] or 0)
    local stamped = tonumber(hash.values[bound.at + 1] or -1) == stamps[span]
    bound.used, bound.counted = used, used
    if bound.rate then
      bound.used, bound.fresh = slide(bound.log, used)
    elseif not stamped then
      bound.used = 0
    end
    bound.fresh = bound.fresh or not stamped
    hash.late = hash.late or not stamped or span == 'conversation'
  end
end

-- What left the minute is no longer in the log: the counts must say so too, whatever the answer is.
local function keep_slid()
  for _, bound in ipairs(bounds) do
    if bound.rate and bound.used ~= bound.counted then
      write(bound.counts, {bound.field, whole(bound.used)}, 0)
    end
  end
end

if before then
  keep_slid()
  local reply = {-1, tonumber(string.match(before, '^%d+') or 0), now}
  for place, bound in ipairs(bounds) do
    reply[3 + place] = bound.most - bound.used
  end
  return said(reply)
end

for place, bound in ipairs(bounds) do
  local room = bound.most - bound.used - bound.base
  if bound.per > 0 then
    local fits = math.floor(room / bound.per)
    if fits < least then
      keep_slid()
      return said({place - 1, bound.used, now, 0})
    end
    granted = math.min(granted, fits)
  elseif room < 0 and bound.base > 0 then
    keep_slid()
    return said({place - 1, bound.used, now, bound.rate and wait(bound.log, -room) or 0})
  end
end

local reply, charges = {-1, granted, now}, {}
for place, bound in ipairs(bounds) do
  local charge = math.ceil(bound.base + bound.per * granted)
  local hash = bound.hash
  charges[place] = whole(charge)
  if not hash then
    enter(bound.log, now + tonumber(ARGV[3]), ARGV[1], LIFE.now)
  else
    -- A sum also where nothing is set aside: what is used after all is counted in this day, month or conversation.
    local changes = hash.changes
    if bound.fresh or bound.used + charge ~= bound.counted then
      changes[#changes + 1], changes[#changes + 2] = bound.field, whole(bound.used + charge)
    end
    -- The stamp of a minute says when its log's life was set last.
    if bound.fresh and not (bound.rate and charge == 0) then
      changes[#changes + 1], changes[#changes + 2] = bound.field .. ':at', stamps[bound.span]
    end
    if bound.rate and charge > 0 then
      enter(bound.log, now, charges[place] .. ' ' .. ARGV[1], bound.fresh and LIFE.minute)
    end
  end
  reply[3 + place] = bound.most - bound.used - charge
end
for counts, hash in pairs(hashes) do
  write(counts, hash.changes, hash.late and hash.life or 0)
end
note(KEYS[1], table.concat({granted, whole(now), today, stamps.month, unpack(charges)}, ' '))
return said(reply)
