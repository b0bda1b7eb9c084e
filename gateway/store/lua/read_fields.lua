-- Read some fields of one hash, with proof of whose they are.
-- KEYS[1]  the hash
-- ARGV     names of fields
-- reply    {KEYS[1], the value or nil for each name, in an array}
return {KEYS[1], redis.call('HMGET', KEYS[1], unpack(ARGV))}
