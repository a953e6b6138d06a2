-- Acknowledge a message: this process has dropped its copies of the names.
-- KEYS: the message's list. ARGV: id of the process, life of the list in ms.
redis.call('RPUSH', KEYS[1], ARGV[1])
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
