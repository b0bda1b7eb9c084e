-- Add records of one chain of the audit record to its copy. Saying the same thing twice adds nothing.
-- KEYS[1]   audit:{chain}:records
-- ARGV[1]   number of the first record          ARGV[2]  number after the last one
-- ARGV[3]   time of the last one, ms            ARGV[4]  the records, each as it lies on disk
-- ARGV[5]   time before which records go, ms    ARGV[6]  life of the copy, ms
-- ARGV[7]   number of the first record that there is
-- reply     {KEYS[1], the number up to which the copy has records now}; they are added only if it was ARGV[1]
local key = KEYS[1]
local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
local at, have = 0, 0
if last then
  at, have = string.match(last[1], '^(%d+)-(%d+)$')
  at, have = tonumber(at), tonumber(have)
  if have ~= tonumber(ARGV[1]) then
    return {key, string.format('%d', have)}
  end
elseif ARGV[1] ~= ARGV[7] then
  return {key, ARGV[7]}
end
-- Ids never go back, whatever the clock does.
local time = math.max(at, tonumber(ARGV[3]))
local id = string.format('%d-%s', time, ARGV[2])
redis.call('XADD', key, id, 'f', ARGV[1], 'd', ARGV[4])
for _, old in ipairs(redis.call('XRANGE', key, '-', string.format('(%s-0', ARGV[5]), 'COUNT', 16)) do
  if old[1] ~= id then
    redis.call('XDEL', key, old[1])
  end
end
redis.call('PEXPIRE', key, ARGV[6])
return {key, ARGV[2]}
