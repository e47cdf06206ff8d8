-- Read part of a leaderboard in one step.
-- KEYS: 1 board (sorted set of members by negated score)
-- ARGV: 1 'top' | 'around', 2 number of members | number on either side, 3 '' | member
-- Returns {'absent'} | {'unknown_member'} | {'found', index of the first member, {member, negated score, ...}}
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {'absent'}
end
local first, last = 0, ARGV[2] - 1
if ARGV[1] == 'around' then
  local place = redis.call('ZRANK', KEYS[1], ARGV[3])
  if not place then
    return {'unknown_member'}
  end
  first, last = math.max(0, place - ARGV[2]), place + ARGV[2]
end
return {'found', first, redis.call('ZRANGE', KEYS[1], first, last, 'WITHSCORES')}
