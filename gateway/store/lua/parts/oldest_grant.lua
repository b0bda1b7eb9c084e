-- The oldest grant of a key that is good, of those minted less than `life` ms ago and after `before`; nil: none is.
local time = redis.call('TIME')
local function oldest_grant(key, life, before)
  local past = math.max(time[1] * 1000 + math.floor(time[2] / 1000) - life, tonumber(before))
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', past))
  return redis.call('ZRANGE', key, 0, 0)[1]
end
