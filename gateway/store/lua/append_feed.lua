-- Add a batch to what the watcher of some agents reads. Saying the same batch twice counts once.
-- KEYS[1]  feed      KEYS[2]  writers (the last batch of each, a space, and when it came, ms)
-- ARGV[1]  writer    ARGV[2]  number of the batch, growing   ARGV[3]  entries kept   ARGV[4]  writers kept
-- then     for each entry three: agent, what it is (v, f, o), the row
-- reply    {KEYS[1], id of the last entry, '' if the batch was there}
local known = redis.call('HGET', KEYS[2], ARGV[1])
if known and tonumber(string.match(known, '^%d+')) >= tonumber(ARGV[2]) then
  return {KEYS[1], ''}
end
if not known and redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[4]) then
  local all, oldest, last = redis.call('HGETALL', KEYS[2]), math.huge, nil
  for at = 1, #all, 2 do
    local time = tonumber(string.match(all[at + 1], '%d+$'))
    if time < oldest then
      oldest, last = time, all[at]
    end
  end
  redis.call('HDEL', KEYS[2], last)
end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. ' ' .. now)
redis.call('EXPIRE', KEYS[2], 86400)
local id = ''
for at = 5, #ARGV, 3 do
  id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', 'a', ARGV[at], ARGV[at + 1], ARGV[at + 2])
end
return {KEYS[1], id}
