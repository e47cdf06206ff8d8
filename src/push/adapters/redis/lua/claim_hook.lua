-- Claim an inbound webhook unless it is known already.
-- KEYS: 1 entry of the webhook
-- ARGV: 1 claim, 2 seconds until the claim expires
-- Returns the entry as it was; nil if there was none, and the claim is stored
return redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2], 'NX', 'GET')
