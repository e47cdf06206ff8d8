-- Read part of a leaderboard in one step, after storing scores that the caller read from the source.
-- The scores are stored only if no other caller stored any since this one listed the members: else either of the two
-- may have read the source first.
-- KEYS: 1 board (sorted set of members by negated score),
--       2 state (hash: 'version', 'position', 'refresh', and the position of its last change for each 'changed:<member>')
-- ARGV: 1 'top' | 'around', 2 number of members | number on either side, 3 '' | member, 4 lowest version to accept,
--       then, from a caller that read changed members: 5 refresh and 6 position when they were listed, 7 its own token,
--       and for each member: negated score ('' if the source has none), member
-- Returns {'absent'} | {'changed', refresh, position, {changed member, ...}} | {'unknown_member', version}
--         | {'found', version, index of the first member, {member, negated score, ...}}
local version = redis.call('HGET', KEYS[2], 'version')
-- Redis may evict either key alone.
if not version or tonumber(version) < tonumber(ARGV[4]) or redis.call('EXISTS', KEYS[1]) == 0 then
  return {'absent'}
end
local refresh = ARGV[5] and redis.call('HGET', KEYS[2], 'refresh')
-- The caller's own token is there if an earlier try stored the scores and its reply was lost.
local is_refreshed = ARGV[5] and refresh == ARGV[7]
if ARGV[5] and refresh == ARGV[5] then
  local marks, scored, gone = {}, {}, {}
  for index = 8, #ARGV, 2 do
    local score, member = ARGV[index], ARGV[index + 1]
    marks[#marks + 1] = 'changed:' .. member
    if score == '' then
      gone[#gone + 1] = member
    else
      scored[#scored + 1] = score
      scored[#scored + 1] = member
    end
  end
  if #scored > 0 then
    redis.call('ZADD', KEYS[1], unpack(scored))
  end
  if #gone > 0 then
    redis.call('ZREM', KEYS[1], unpack(gone))
  end
  -- A member that changed again since it was listed stays marked.
  local settled = {}
  for index, changed_at in ipairs(redis.call('HMGET', KEYS[2], unpack(marks))) do
    if changed_at and tonumber(changed_at) <= tonumber(ARGV[6]) then
      settled[#settled + 1] = marks[index]
    end
  end
  if #settled > 0 then
    redis.call('HDEL', KEYS[2], unpack(settled))
  end
  redis.call('HSET', KEYS[2], 'refresh', ARGV[7])
  is_refreshed = true
  if redis.call('EXISTS', KEYS[1]) == 0 then
    return {'absent'}
  end
end
if not is_refreshed and redis.call('HLEN', KEYS[2]) > 3 then
  local members = {}
  for _, field in ipairs(redis.call('HKEYS', KEYS[2])) do
    if string.sub(field, 1, 8) == 'changed:' then
      members[#members + 1] = string.sub(field, 9)
    end
  end
  local now = redis.call('HMGET', KEYS[2], 'refresh', 'position')
  return {'changed', now[1], now[2], members}
end
local first, last = 0, ARGV[2] - 1
if ARGV[1] == 'around' then
  local place = redis.call('ZRANK', KEYS[1], ARGV[3])
  if not place then
    return {'unknown_member', version}
  end
  first, last = math.max(0, place - ARGV[2]), place + ARGV[2]
end
return {'found', version, first, redis.call('ZRANGE', KEYS[1], first, last, 'WITHSCORES')}
