-- Read a page of a tag's index. What is there from the first page to the last is on one of them.
-- KEYS: 1 index
-- ARGV: 1 cursor, '0' to begin, 2 about how many to a page
-- Returns {next cursor, '0' after the last page; list of keys' names}
local page = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local names = {}
for index = 1, #page[2], 2 do
  names[#names + 1] = page[2][index]
end
return {page[1], names}
