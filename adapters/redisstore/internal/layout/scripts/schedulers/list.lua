-- Lists the schedulers whose reports last.
-- KEYS: ends. ARGV: clock offset.
-- Reply: their ids.
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. digits(store_now(ARGV[1])), '+inf')
