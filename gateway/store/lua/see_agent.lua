-- Add what one gateway process saw of one agent since it last said so. Saying the same thing twice counts once.
-- KEYS[1]   agent:{id}                       KEYS[2]  vitals:{id}
-- ARGV[1]   writer: who counts, [0-9a-f]+       ARGV[2]  its running number, growing
-- ARGV[3]   1: make the agent if it is unknown
-- ARGV[4]   first time seen, ms                 ARGV[5]  last time seen, ms
-- ARGV[6-9] how much to add to requests, input_tokens, output_tokens, cost
-- ARGV[10]  number n of plain fields, then n pairs: field, value
-- then, for each of the sets m (models), t (tools), p (providers): the most it may hold, number n, then n names
-- then, for the vitals: how many of them are kept, for how many seconds, number n, then n rows, the oldest first
-- reply     {KEYS[1], time first seen in ms, or -1 if the agent is unknown}
local key = KEYS[1]
local first = redis.call('HGET', key, 'first_seen')
if not first and ARGV[3] ~= '1' then
  return {key, '-1'}
end

-- The last number of each of the eight writers that wrote last.
local writers, count = {ARGV[1] .. ':' .. ARGV[2]}, 1
for writer, number in string.gmatch(redis.call('HGET', key, 'writers') or '', '(%x+):(%d+)') do
  if writer == ARGV[1] then
    if tonumber(number) >= tonumber(ARGV[2]) then
      return {key, first}
    end
  elseif count < 8 then
    count = count + 1
    writers[count] = writer .. ':' .. number
  end
end

local last = redis.call('HGET', key, 'last_seen')
local fields = {'writers', table.concat(writers, ' ')}
if not first then
  first = ARGV[4]
  fields[#fields + 1] = 'first_seen'
  fields[#fields + 1] = first
end
if not last or tonumber(last) < tonumber(ARGV[5]) then
  fields[#fields + 1] = 'last_seen'
  fields[#fields + 1] = ARGV[5]
end
local at = 10
for _ = 1, 2 * tonumber(ARGV[at]) do
  at = at + 1
  fields[#fields + 1] = ARGV[at]
end
redis.call('HSET', key, unpack(fields))
redis.call('HINCRBY', key, 'requests', ARGV[6])
redis.call('HINCRBY', key, 'input_tokens', ARGV[7])
redis.call('HINCRBY', key, 'output_tokens', ARGV[8])
redis.call('HINCRBY', key, 'cost', ARGV[9])

for _, set in ipairs({'m', 't', 'p'}) do
  local most, names = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  at = at + 2
  local size = names > 0 and tonumber(redis.call('HGET', key, 'n:' .. set) or 0) or most
  local before = size
  for n = at + 1, at + names do
    if size < most and redis.call('HSETNX', key, set .. ':' .. ARGV[n], 1) == 1 then
      size = size + 1
    end
  end
  if size > before then
    redis.call('HSET', key, 'n:' .. set, size)
  end
  at = at + names
end

local most, age, rows = ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
for n = at + 4, at + 3 + rows do
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', most, '*', 'v', ARGV[n])
end
if rows > 0 then
  redis.call('XTRIM', KEYS[2], 'MINID', '~', string.format('%d000', redis.call('TIME')[1] - age))
  redis.call('EXPIRE', KEYS[2], age)
end
return {key, first}
