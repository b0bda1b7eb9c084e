-- One page of a stream, the latest entry first.
-- KEYS[1]  the stream
-- ARGV[1]  the id to begin with, '(id' to begin behind it, or '+'     ARGV[2]  the oldest time, ms    ARGV[3]  how many
-- reply    {KEYS[1], id, value, id, value, …}: of each entry the value of its first field
local reply = {KEYS[1]}
for _, entry in ipairs(redis.call('XREVRANGE', KEYS[1], ARGV[1], ARGV[2], 'COUNT', ARGV[3])) do
  reply[#reply + 1] = entry[1]
  reply[#reply + 1] = entry[2][2]
end
return reply
