-- Enter one change into the control log and tell everybody.
-- KEYS[1]  control log (a stream; an entry's id is its epoch)   KEYS[2]  control state (field -> epoch, space, value)
-- KEYS[3]  the channel that says that there is news
-- ARGV[1]  the newest epoch the caller knows                    ARGV[2]  field: kind:id
-- ARGV[3]  value                                                ARGV[4]  the epoch the field must have, 0: be new, '': any
-- ARGV[5]  how many entries the log keeps
-- reply    {KEYS[1], epoch, or -1 if the field has another epoch than it must}
-- An epoch is the time in microseconds, or one more than the one before: what is entered after Redis lost its newest entries is
-- still newer than they were.
local held = redis.call('HGET', KEYS[2], ARGV[2])
if ARGV[4] ~= '' and (held and string.match(held, '^%d+') or '0') ~= ARGV[4] then
  return {KEYS[1], -1}
end
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local time = redis.call('TIME')
local epoch = math.max(last and tonumber(string.match(last[1], '^%d+')) or 0, tonumber(ARGV[1])) + 1
epoch = string.format('%.0f', math.max(epoch, time[1] * 1000000 + time[2]))
redis.call('HSET', KEYS[2], ARGV[2], epoch .. ' ' .. ARGV[3])
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[5], epoch .. '-0', 'f', ARGV[2])
redis.call('PUBLISH', KEYS[3], epoch)
return {KEYS[1], tonumber(epoch)}
