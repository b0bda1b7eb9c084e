-- Renew, take, look at or give back the lease of some agents.
-- KEYS[1]  lease (replica, a slash, number of the taking; a dash while it is offered)
-- KEYS[2]  position     KEYS[3]  wanted: a replica that has less than its share has asked for it
-- ARGV[1]  renew | take: even if it is offered | extra: only if it is not | look | want | offer | release
-- ARGV[2]  replica     ARGV[3]  number of the taking     ARGV[4]  length of the lease, the wish or the offer, ms
-- reply    {KEYS[1], 1: it is this replica's, by this taking; 0: another one's; -1: nobody's; -2: it is offered to
--           replicas that have less than their share, the position or '', 1 if it is wanted}
-- What this replica took before, and has lost or never heard of, is nobody's to it.
local holder, mine = redis.call('GET', KEYS[1]), ARGV[2] .. '/' .. ARGV[3]
local whose = 0
if holder == mine then
  whose = 1
elseif not holder or string.sub(holder, 1, #ARGV[2] + 1) == ARGV[2] .. '/' then
  whose = -1
elseif holder == '-' then
  whose = -2
end
local what = ARGV[1]
if what == 'want' and whose == 0 then
  redis.call('SET', KEYS[3], 1, 'PX', ARGV[4])
elseif what == 'offer' and whose == 1 then
  redis.call('SET', KEYS[1], '-', 'PX', ARGV[4])
elseif what == 'release' and whose == 1 then
  redis.call('DEL', KEYS[1])
elseif (what == 'renew' and whose == 1) or (what == 'extra' and whose == -1) or (what == 'take' and whose < 0) then
  redis.call('SET', KEYS[1], mine, 'PX', ARGV[4])
  whose = 1
end
return {KEYS[1], whose, redis.call('GET', KEYS[2]) or '', redis.call('EXISTS', KEYS[3])}
