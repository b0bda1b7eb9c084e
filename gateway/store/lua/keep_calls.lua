-- Remember calls that an agent was given, or was refused.
-- KEYS[1]  given:{id}:{day}
-- ARGV[1]  life, s    ARGV[2]  most calls    then for each call two: its name, what is known of it
-- reply    {KEYS[1], how many were remembered}
local room = tonumber(ARGV[2]) - redis.call('HLEN', KEYS[1])
local kept = 0
for at = 3, #ARGV, 2 do
  if kept < room then
    redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
    kept = kept + 1
  end
end
if kept > 0 then
  redis.call('EXPIRE', KEYS[1], ARGV[1])
end
return {KEYS[1], kept}
