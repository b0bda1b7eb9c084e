-- Use steps of an intent: all of these calls or none. A use counts at the step and at every step that it comes from.
-- KEYS[1]  uses:{root}
-- ARGV[1]  intent   ARGV[2]  1: the calls are executed; 0: they are released, and may be executed later
-- then     for each call five: step, its claim (the same call asked for again is used once), the decision, the name it
--          is released under, further names that what is executed may have been released under (comma)
-- reply    {KEYS[1], 0, for each call the decision that used it, '' for one that had been released before}
--          {KEYS[1], place of the call that cannot be used, from 1, lost | uses_exhausted | step_order}
-- Nothing is known of a step that was never opened, or of which Redis lost the counts: then nobody may use it.
local key, intent, executed = KEYS[1], ARGV[1], ARGV[2] == '1'
local used, waiting, known = {}, {}, {}

local function count(place)
  if not used[place] then
    used[place] = tonumber(redis.call('HGET', key, 'used:' .. place) or 0)
  end
  return used[place]
end

local function take(step, call)
  local place = intent .. '/' .. step
  if executed then
    for name in string.gmatch(ARGV[call + 3] .. ',' .. ARGV[call + 4], '[^,]+') do
      local field = 'released:' .. place .. '/' .. name
      local left = waiting[field] or tonumber(redis.call('HGET', key, field) or 0)
      if left > 0 then
        waiting[field] = left - 1
        return nil, ''
      end
    end
  end
  local places, before = {}, {}
  while place ~= '-' do
    local held = redis.call('HGET', key, 'step:' .. place)
    if not held then
      return 'lost'
    end
    local most, from, others = string.match(held, '^(%d+) (%S+) (.*)$')
    if count(place) >= tonumber(most) then
      return 'uses_exhausted'
    end
    for other in string.gmatch(others, '[^,]+') do
      before[#before + 1] = other
    end
    places[#places + 1] = place
    place = from
  end
  -- A step was used when anybody who shares its counts used it: those of the intent that nobody narrowed are of all.
  local root = string.match(places[#places], '^[^/]+/')
  for _, other in ipairs(before) do
    if count(root .. other) == 0 then
      return 'step_order'
    end
  end
  for _, one in ipairs(places) do
    used[one] = used[one] + 1
  end
  if not executed then
    local field = 'released:' .. places[1] .. '/' .. ARGV[call + 3]
    waiting[field] = (waiting[field] or tonumber(redis.call('HGET', key, field) or 0)) + 1
  end
  return nil, ARGV[call + 2]
end

local reply, claims = {key, 0}, {}
for call = 3, #ARGV, 5 do
  local field = 'claim:' .. intent .. '/' .. ARGV[call] .. '/' .. ARGV[call + 1]
  local decision = known[field] or redis.call('HGET', key, field)
  if not decision then
    local problem
    problem, decision = take(ARGV[call], call)
    if problem then
      return {key, (call - 3) / 5 + 1, problem}
    end
    known[field] = decision
    claims[#claims + 1] = field
    claims[#claims + 1] = decision
  end
  reply[#reply + 1] = decision
end
for place, amount in pairs(used) do
  if amount > 0 then
    redis.call('HSET', key, 'used:' .. place, amount)
  end
end
for field, left in pairs(waiting) do
  if left > 0 then
    redis.call('HSET', key, field, left)
  else
    redis.call('HDEL', key, field)
  end
end
for at = 1, #claims, 2 do
  redis.call('HSET', key, claims[at], claims[at + 1])
end
return reply
