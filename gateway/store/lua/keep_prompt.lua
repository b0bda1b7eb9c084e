-- Keep an agent's system prompt, and say which other ones are to be dropped for it.
-- KEYS[1]  sorted set: the hashes of its prompts, by when they were used, ms
-- KEYS[2]  string: this one       KEYS[3]  hash: what is known of the agent; `g` names the prompt it was well with
-- ARGV[1]  the hash               ARGV[2]  the prompt, encrypted
-- ARGV[3]  how many are kept      ARGV[4]  their life, s
-- reply    {KEYS[1], hashes to drop ...}
local time = redis.call('TIME')
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[4])
redis.call('ZADD', KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[4])
local reply, over = {KEYS[1]}, redis.call('ZCARD', KEYS[1]) - ARGV[3]
if over > 0 then
  local read, good = pcall(cjson.decode, redis.call('HGET', KEYS[3], 'g') or '')
  local kept = read and type(good) == 'table' and type(good[1]) == 'table' and good[1]['prompt']
  for _, hash in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    if over > 0 and hash ~= kept and hash ~= ARGV[1] then
      redis.call('ZREM', KEYS[1], hash)
      reply[#reply + 1] = hash
      over = over - 1
    end
  end
end
return reply
