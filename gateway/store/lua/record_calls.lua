-- Add a batch of recorded requests and calls; the oldest batches go where there are too many bytes or their life is over.
-- KEYS[1]  recorded calls (a stream; an entry: 'd', the batch, 'u', bytes of all batches up to and with it)
-- ARGV[1]  the batch     ARGV[2]  bytes kept at most     ARGV[3]  life, ms
-- reply    {KEYS[1]}
local key = KEYS[1]
local time = redis.call('TIME')
local oldest = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[3])
local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
local upto = (last and tonumber(last[2][4]) or 0) + #ARGV[1]
redis.call('XADD', key, '*', 'd', ARGV[1], 'u', string.format('%.0f', upto))
-- Each call takes away more than it adds, until there is room.
for _, entry in ipairs(redis.call('XRANGE', key, '-', '+', 'COUNT', 16)) do
  if tonumber(entry[2][4]) > upto - tonumber(ARGV[2]) and tonumber(string.match(entry[1], '^%d+')) > oldest then
    break
  end
  redis.call('XDEL', key, entry[1])
end
redis.call('PEXPIRE', key, ARGV[3])
return {key}
