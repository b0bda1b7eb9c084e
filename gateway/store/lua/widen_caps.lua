-- Let the caps of a fleet be at least as wide as these.
-- KEYS[1]  hash: model -> [output tokens, seconds, tool calls] as JSON, null where nothing is known
-- ARGV[1]  how many models are kept
-- then     model, output tokens, seconds, tool calls of each; '' where nothing is known
-- reply    {KEYS[1], number of models changed}
local changed = 0
for at = 2, #ARGV, 4 do
  local kept = redis.call('HGET', KEYS[1], ARGV[at])
  local known = kept and cjson.decode(kept) or {}
  local wider, row = false, {}
  for place = 1, 3 do
    local old = type(known[place]) == 'number' and known[place] or nil
    local new = tonumber(ARGV[at + place])
    if new and (not old or new > old) then
      old, wider = new, true
    end
    row[place] = old and string.format('%.17g', old) or 'null'
  end
  if wider and (kept or redis.call('HLEN', KEYS[1]) < tonumber(ARGV[1])) then
    redis.call('HSET', KEYS[1], ARGV[at], '[' .. table.concat(row, ',') .. ']')
    changed = changed + 1
  end
end
return {KEYS[1], changed}
