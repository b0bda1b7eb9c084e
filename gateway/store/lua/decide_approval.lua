-- Approve or reject what waits for it, once; whoever comes second is told what was decided.
-- KEYS[1]  approval:{id}      KEYS[2]  its arguments   KEYS[3]  bound:{digest of whose call of what it is}
-- KEYS[4]  pending, of all    KEYS[5]  pending, of its agent
-- KEYS[6]  what is to be announced, by time, ms        KEYS[7]  the channel that says that something was decided
-- ARGV[1]  id                 ARGV[2]  approved or rejected
-- ARGV[3]  who decides        ARGV[4]  why             ARGV[5]  name of this try: tried again, it is the same decision
-- ARGV[6]  how long the same call gets the same rejection, ms
-- ARGV[7]  announcements at most, 0: none are wanted
-- reply    {KEYS[1], 1 if this decided it else 0}
local held = redis.call('HMGET', KEYS[1], 'status', 'expires_at', 'decision')
if held[3] == ARGV[5] then
  return {KEYS[1], 1}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if held[1] ~= 'pending' or tonumber(held[2]) <= now then
  return {KEYS[1], 0}
end
local at = string.format('%.0f', now)
redis.call('HSET', KEYS[1], 'status', ARGV[2], 'decided_by', ARGV[3], 'decided_at', at, 'decision_reason', ARGV[4],
  'decision', ARGV[5])
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('ZREM', KEYS[5], ARGV[1])
if ARGV[2] == 'rejected' then
  redis.call('DEL', KEYS[2])
  if redis.call('GET', KEYS[3]) == ARGV[1] then
    redis.call('PEXPIRE', KEYS[3], math.min(tonumber(ARGV[6]), tonumber(held[2]) - now))
  end
end
if ARGV[7] ~= '0' then
  redis.call('ZADD', KEYS[6], at, ARGV[1] .. ' ' .. ARGV[2])
  local over = redis.call('ZCARD', KEYS[6]) - ARGV[7]
  if over > 0 then
    redis.call('ZREM', KEYS[6], unpack(redis.call('ZRANGE', KEYS[6], 0, over - 1)))
  end
  redis.call('PEXPIRE', KEYS[6], 3600000)
end
redis.call('PUBLISH', KEYS[7], ARGV[1])
return {KEYS[1], 1}
