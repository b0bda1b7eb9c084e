-- Renew, take, look at or give back the lease of some agents.
-- KEYS[1]  lease (replica, a slash, number of the taking)     KEYS[2]  position
-- ARGV[1]  renew | take | look | release     ARGV[2]  replica     ARGV[3]  number of the taking    ARGV[4]  length, ms
-- reply    {KEYS[1], 1: it is held by this replica, and by this taking if it was renewed or taken; 0: by another one;
--           -1: by nobody, the position or ''}
-- What this replica took before and lost the reply of, it may take anew.
local holder, mine = redis.call('GET', KEYS[1]), ARGV[2] .. '/' .. ARGV[3]
local same = holder == mine
local own = holder and string.sub(holder, 1, #ARGV[2] + 1) == ARGV[2] .. '/'
if ARGV[1] == 'look' then
  return {KEYS[1], holder and (own and -1 or 0) or -1, ''}
end
if ARGV[1] == 'release' then
  if same then
    redis.call('DEL', KEYS[1])
  end
  return {KEYS[1], -1, ''}
end
if same or (ARGV[1] == 'take' and (own or not holder)) then
  redis.call('SET', KEYS[1], mine, 'PX', ARGV[4])
  return {KEYS[1], 1, redis.call('GET', KEYS[2]) or ''}
end
return {KEYS[1], holder and 0 or -1, ''}
