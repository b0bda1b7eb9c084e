-- Put what one exchange used in the place of what was set aside for it. Each reservation is settled at most once; one
-- that is not there was settled before, has expired (and stays charged), or is on its way: then it will count nothing.
-- KEYS[1]  reservation:{id}; the other keys are named by their place
-- ARGV[1]  id of the exchange                      ARGV[2]  how long a late reservation of it is refused, s
-- then for each bound, in the order of the reservation, five: span, place of its counts, place of its log (0: none),
--          field in the counts, units used; -1 leaves what was set aside
-- reply    {KEYS[1], 1 if it was settled now, else 0}
local MINUTE = 60000000

local function whole(number)
  return string.format('%.0f', number)
end

local function add(key, field, amount)
  redis.call('HINCRBY', key, field, whole(amount))
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

local function size(key)
  return redis.call('ZCARD', key)
end

local function enter(key, score, entry)
  redis.call('ZADD', key, whole(score), entry)
  redis.call('EXPIRE', key, 61)
end

local function lives(key, seconds)
  if redis.call('TTL', key) < seconds then
    redis.call('EXPIRE', key, seconds)
  end
end

local open = redis.call('GET', KEYS[1])
if not open or open == 'settled' then
  redis.call('SET', KEYS[1], 'settled', 'EX', ARGV[2])
  return {KEYS[1], 0}
end
redis.call('DEL', KEYS[1])

local noted = {}
for number in string.gmatch(open, '%S+') do
  noted[#noted + 1] = tonumber(number)
end
local begun = noted[2]
local stamps = {day = noted[3], month = noted[4], conversation = 0}
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- What is used for longer than the minute it began in is counted when it is known.
local function slide(counts, log, field, charged, used, late)
  local entry = ' ' .. ARGV[1]
  local there = remove(log, whole(charged) .. entry)
  local score, amount = begun, used
  if there then
    add(counts, field, -charged)
  elseif used > charged then
    amount = used - charged
    late = true
  else
    return
  end
  if late then
    score = now
  end
  if amount > 0 then
    if size(log) == 0 then
      write(counts, field, 0)
    end
    enter(log, score, whole(amount) .. entry)
    add(counts, field, amount)
    lives(counts, 120)
  end
end

local function sum(counts, field, stamp, difference)
  if read(counts, field .. ':at') == stamp then
    add(counts, field, difference)
  elseif difference > 0 then
    -- The day or month is over. What went beyond its reservation is owed by the next one.
    add(counts, field, difference)
  end
end

local place = 4
for at = 3, #ARGV, 5 do
  place = place + 1
  local span, counts, log = ARGV[at], KEYS[tonumber(ARGV[at + 1])], KEYS[tonumber(ARGV[at + 2])]
  local field, charged, used = ARGV[at + 3], noted[place], tonumber(ARGV[at + 4])
  if span == 'now' then
    remove(log, ARGV[1])
  elseif used >= 0 then
    if span == 'minute' or span == 'calls' then
      slide(counts, log, field, charged, used, span == 'calls')
    elseif used ~= charged then
      sum(counts, field, stamps[span], used - charged)
    end
  end
end
return {KEYS[1], 1}
