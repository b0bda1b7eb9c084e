-- Delete an agent that was found by how it calls, if it has not called for long and nobody gave it a name.
-- KEYS[1]  agent:{id}
-- ARGV[1]  not since when, ms
-- reply    {KEYS[1], 1 if it is gone else 0, the id of its credential or ''}
local key = KEYS[1]
local fields = redis.call('HMGET', key, 'last_seen', 'verified', 'name', 'credential_id')
local last = tonumber(fields[1])
if fields[2] == '1' or fields[3] or (last and last >= tonumber(ARGV[1])) then
  return {key, 0, ''}
end
redis.call('DEL', key)
return {key, 1, fields[4] or ''}
