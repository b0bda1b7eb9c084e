-- Add what one gateway process counted on one day. Saying the same thing twice counts once.
-- KEYS      usage:{day}:{by}, one for each way of counting
-- ARGV[1]   writer: who counts, [0-9a-f]+       ARGV[2]  its running number, growing
-- ARGV[3]   seconds the day is kept             ARGV[4]  how many names a key may hold; further ones count as '~other'
-- then, for each key: number n, then n times a name and how much to add to each of the fields below
-- reply     {KEYS[1], 1 if added, 0 if it had been before}
local fields = {'r:', 'e:', 'i:', 'o:', 'c:', 't:', 'k:', 'u:'}
-- The last number of each of the 64 writers that wrote last.
local writers, count = {ARGV[1] .. ':' .. ARGV[2]}, 1
for writer, number in string.gmatch(redis.call('HGET', KEYS[1], 'writers') or '', '(%x+):(%d+)') do
  if writer == ARGV[1] then
    if tonumber(number) >= tonumber(ARGV[2]) then
      return {KEYS[1], 0}
    end
  elseif count < 64 then
    count = count + 1
    writers[count] = writer .. ':' .. number
  end
end

local at = 4
for _, key in ipairs(KEYS) do
  local rows = tonumber(ARGV[at + 1])
  at = at + 2
  for _ = 1, rows do
    local name = ARGV[at]
    if redis.call('HEXISTS', key, 'r:' .. name) == 0 then
      local size = tonumber(redis.call('HGET', key, 'names') or 0)
      if size < tonumber(ARGV[4]) then
        redis.call('HSET', key, 'names', size + 1)
      else
        name = '~other'
      end
    end
    for n, field in ipairs(fields) do
      if ARGV[at + n] ~= '0' then
        redis.call('HINCRBY', key, field .. name, ARGV[at + n])
      end
    end
    at = at + 1 + #fields
  end
  at = at - 1
end
redis.call('HSET', KEYS[1], 'writers', table.concat(writers, ' '))
for _, key in ipairs(KEYS) do
  redis.call('EXPIRE', key, ARGV[3])
end
return {KEYS[1], 1}
