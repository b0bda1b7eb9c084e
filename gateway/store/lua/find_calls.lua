-- What is known of calls that an agent says it was given.
-- KEYS[1]  given:{id}:{day}, and KEYS[2] that before it
-- ARGV[1]  most calls that one of them may hold    then the names of the calls
-- reply    {KEYS[1], 1 if every call of late is among them, what is known of each call, or ''…}
local all = math.max(redis.call('HLEN', KEYS[1]), redis.call('HLEN', KEYS[2])) < tonumber(ARGV[1])
local reply = {KEYS[1], all and 1 or 0}
for place = 2, #ARGV do
  reply[#reply + 1] = redis.call('HGET', KEYS[1], ARGV[place]) or redis.call('HGET', KEYS[2], ARGV[place]) or ''
end
return reply
