-- Let a mark name the tags whose links were written under it. The time since it was begun counts.
-- KEYS: 1 mark
-- ARGV: 1 token that the mark was begun under, 2 digest of the tags
-- Returns 1, or 0 if the mark was forgotten, has ended, or was begun by another worker since
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1
