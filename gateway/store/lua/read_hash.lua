-- Read one hash, with proof of whose it is.
-- KEYS[1]  the hash
-- reply    {KEYS[1], field, value, field, value, …}; nothing behind KEYS[1] if there is none
local reply = redis.call('HGETALL', KEYS[1])
table.insert(reply, 1, KEYS[1])
return reply
