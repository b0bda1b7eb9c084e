-- Which live replicas have not applied an epoch? Forgets those long silent.
-- KEYS[1]  replicas (id -> epoch applied, space, time in ms)
-- ARGV[1]  the epoch     ARGV[2]  ms of silence after which a replica has fenced itself
-- ARGV[3]  ms of silence after which it is forgotten
-- reply    {KEYS[1], number of live replicas, id of one that has not applied it, …}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local replicas = redis.call('HGETALL', KEYS[1])
local reply, live = {KEYS[1], 0}, 0
for at = 1, #replicas, 2 do
  local applied, heard = string.match(replicas[at + 1], '^(%d+) (%d+)$')
  local silence = now - tonumber(heard)
  if silence > tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[1], replicas[at])
  elseif silence <= tonumber(ARGV[2]) then
    live = live + 1
    if tonumber(applied) < tonumber(ARGV[1]) then
      reply[#reply + 1] = replicas[at]
    end
  end
end
reply[2] = live
return reply
