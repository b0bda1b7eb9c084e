-- Put what exchanges used in the place of what was set aside for them. Each reservation is settled at most once; one
-- that is not there was settled before, has expired (and stays charged), or is on its way: then it will count nothing.
-- KEYS[1]  reservation:{id}, and the same of the other exchanges; then the keys that their bounds have in common
-- ARGV[1]  how many exchanges                      ARGV[2]  how long a late reservation of them is refused, s
-- ARGV[3]  doubles: for each exchange and each of its bounds units used; -1 leaves what was set aside
-- then the id of each exchange; then for each bound five, as they were when it was reserved: span, place of its counts,
--          place of its log (0: none), field in the counts, most; the places are those with one reservation in front
-- reply    {KEYS[1], how many were settled now}
local function whole(number)
  return string.format('%.0f', number)
end

local function add(key, field, amount)
  return redis.call('HINCRBY', key, field, whole(amount))
end

local function read(key, field)
  return tonumber(redis.call('HGET', key, field) or 0)
end

local function write(key, field, value)
  redis.call('HSET', key, field, whole(value))
end

local function remove(key, entry)
  return redis.call('ZREM', key, entry) == 1
end

-- Whether it is the only entry.
local function enter(key, score, entry)
  redis.call('ZADD', key, whole(score), entry)
  return redis.call('ZCARD', key) == 1
end

local function lives(key, seconds)
  if redis.call('TTL', key) < seconds then
    redis.call('EXPIRE', key, seconds)
  end
end

local now
local function time()
  if not now then
    local parts = redis.call('TIME')
    now = parts[1] * 1000000 + parts[2]
  end
  return now
end

-- What is used for longer than the minute it began in is counted when it is known.
local function slide(bound, id, begun, charged, used, late)
  if used == charged and (used == 0 or not late) then
    return
  end
  local counts, log, field = bound.counts, bound.log, bound.field
  local entry = ' ' .. id
  local there = remove(log, whole(charged) .. entry)
  local amount, difference = used, used - charged
  if not there then
    if difference <= 0 then
      return
    end
    amount, late = difference, true
  end
  if amount > 0 and enter(log, late and time() or begun, whole(amount) .. entry) then
    write(counts, field, amount)
    late = true
  elseif difference ~= 0 then
    add(counts, field, difference)
  end
  if late and amount > 0 then
    lives(log, 120)
    lives(counts, 120)
  end
end

local function sum(counts, field, stamp, difference)
  -- Where the day or month is over, what went beyond its reservation is owed by the next one.
  if difference > 0 or read(counts, field .. ':at') == stamp then
    add(counts, field, difference)
  end
end

local exchanges = tonumber(ARGV[1])
local bounds = {}
for at = 4 + exchanges, #ARGV, 5 do
  bounds[#bounds + 1] = {
    span = ARGV[at], counts = KEYS[exchanges - 1 + tonumber(ARGV[at + 1])],
    log = KEYS[exchanges - 1 + tonumber(ARGV[at + 2])], field = ARGV[at + 3],
  }
end

-- Whether it was settled now.
local function settle(key, id, units)
  local open = redis.call('GET', key)
  if not open or open == 'settled' then
    redis.call('SET', key, 'settled', 'EX', ARGV[2])
    return false
  end
  redis.call('DEL', key)
  local noted = {}
  for number in string.gmatch(open, '%S+') do
    noted[#noted + 1] = tonumber(number)
  end
  local stamps = {day = noted[3], month = noted[4], conversation = 0}
  for place, bound in ipairs(bounds) do
    local span, charged, used = bound.span, noted[4 + place], units[place]
    if span == 'now' then
      remove(bound.log, id)
    elseif used >= 0 then
      if span == 'minute' or span == 'calls' then
        slide(bound, id, noted[2], charged, used, span == 'calls')
      elseif used ~= charged then
        sum(bound.counts, bound.field, stamps[span], used - charged)
      end
    end
  end
  return true
end

local settled = 0
local form = '<' .. string.rep('d', #bounds)
for n = 1, exchanges do
  local units = {struct.unpack(form, ARGV[3], 1 + 8 * #bounds * (n - 1))}
  if settle(KEYS[n], ARGV[3 + n], units) then
    settled = settled + 1
  end
end
return {KEYS[1], settled}
