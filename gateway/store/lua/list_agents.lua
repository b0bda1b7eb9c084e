-- One page of ids, of agents or whatever else was made, the latest first.
-- KEYS[1]  ids by the time they were made
-- ARGV[1]  how many          ARGV[2]  the id the page before ended with, or ''     ARGV[3]  its score
-- reply    {KEYS[1], id, score, id, score, …}
local start = 0
if ARGV[2] ~= '' then
  local rank = redis.call('ZREVRANK', KEYS[1], ARGV[2])
  -- That one was deleted meanwhile: go on behind all that are newer than it was.
  start = rank and rank + 1 or redis.call('ZCOUNT', KEYS[1], '(' .. ARGV[3], '+inf')
end
local reply = redis.call('ZREVRANGE', KEYS[1], start, start + ARGV[1] - 1, 'WITHSCORES')
table.insert(reply, 1, KEYS[1])
return reply
