-- Claim a webhook unless it is known, and say what was known of it.
-- KEYS: 1 what is known of the webhook
-- ARGV: 1 the claim, 2 seconds until the claim ends
-- Reply: what was known; nil if nothing was, and then the claim stands.
return redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2], 'NX', 'GET')
