-- Begin to count how often the steps of an intent are used.
-- KEYS[1]  uses:{root}: what is counted of an intent, and of all that were narrowed from it
-- ARGV[1]  intent   ARGV[2]  its parent, '' for none   ARGV[3]  when the counting ends, ms   ARGV[4]  intents at most
-- then     for each step four: its id, uses at most, the parent's step it comes from, the steps before it (comma)
-- reply    {KEYS[1], 1: done; 0: its parent is not counted here; -1: there are too many}
-- Said twice, it is done once.
local key, intent, parent = KEYS[1], ARGV[1], ARGV[2]
if redis.call('HEXISTS', key, 'step:' .. intent .. '/' .. ARGV[5]) == 1 then
  return {key, 1}
end
if parent ~= '' then
  for at = 5, #ARGV, 4 do
    if redis.call('HEXISTS', key, 'step:' .. parent .. '/' .. ARGV[at + 2]) == 0 then
      return {key, 0}
    end
  end
  if tonumber(redis.call('HGET', key, 'intents') or 0) >= tonumber(ARGV[4]) then
    return {key, -1}
  end
end
redis.call('HINCRBY', key, 'intents', 1)
for at = 5, #ARGV, 4 do
  local from = parent ~= '' and parent .. '/' .. ARGV[at + 2] or '-'
  redis.call('HSET', key, 'step:' .. intent .. '/' .. ARGV[at], ARGV[at + 1] .. ' ' .. from .. ' ' .. ARGV[at + 3])
end
if parent == '' then
  redis.call('PEXPIREAT', key, ARGV[3])
end
return {key, 1}
