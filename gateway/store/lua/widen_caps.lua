-- Let the caps of a fleet be at least as wide as these.
-- KEYS[1]  hash: model -> [output tokens, seconds, tool calls, kinds of agents] as JSON, null where nothing is known
-- ARGV[1]  how many models are kept
-- then     model, kind of agent (one bit), output tokens, seconds, tool calls of each; '' where nothing is known
-- reply    {KEYS[1], number of models changed}
local changed = 0
for at = 2, #ARGV, 5 do
  local kept = redis.call('HGET', KEYS[1], ARGV[at])
  if kept or redis.call('HLEN', KEYS[1]) < tonumber(ARGV[1]) then
    local known, row = kept and cjson.decode(kept) or {}, {}
    for place = 1, 3 do
      local old = type(known[place]) == 'number' and known[place] or nil
      local new = tonumber(ARGV[at + 1 + place])
      if new and (not old or new > old) then
        old = new
      end
      row[place] = old and string.format('%.17g', old) or 'null'
    end
    row[4] = string.format('%d', bit.bor(type(known[4]) == 'number' and known[4] or 0, ARGV[at + 1]))
    redis.call('HSET', KEYS[1], ARGV[at], '[' .. table.concat(row, ',') .. ']')
    changed = changed + 1
  end
end
return {KEYS[1], changed}
