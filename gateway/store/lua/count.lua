-- Add one gateway process's counts to the totals. Saying the same thing twice counts once.
-- KEYS[1]  stats
-- ARGV[1]  writer: who counts, [0-9a-f]+       ARGV[2]  its running number, growing
-- ARGV[3]  the time, ms; kept from the very first call
-- then     pairs: field, how much to add
-- reply    {KEYS[1], 1 if added, 0 if it had been before}
local key = KEYS[1]
-- The last number of each of the 64 writers that wrote last.
local writers, count = {ARGV[1] .. ':' .. ARGV[2]}, 1
for writer, number in string.gmatch(redis.call('HGET', key, 'writers') or '', '(%x+):(%d+)') do
  if writer == ARGV[1] then
    if tonumber(number) >= tonumber(ARGV[2]) then
      return {key, 0}
    end
  elseif count < 64 then
    count = count + 1
    writers[count] = writer .. ':' .. number
  end
end
redis.call('HSET', key, 'writers', table.concat(writers, ' '))
redis.call('HSETNX', key, 'started', ARGV[3])
for at = 4, #ARGV, 2 do
  redis.call('HINCRBY', key, ARGV[at], ARGV[at + 1])
end
return {key, 1}
