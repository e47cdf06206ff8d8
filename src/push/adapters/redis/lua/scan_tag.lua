-- Read a page of a tag's index or scopes. A name that is in the set during the whole scan is on at least one page.
-- KEYS: 1 sorted set
-- ARGV: 1 cursor, '0' to begin, 2 approximate number of names per page
-- Returns {next cursor, '0' after the last page; list of names, each followed by its score}
return redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
