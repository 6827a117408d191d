package redisstore

import "github.com/redis/go-redis/v9"

// PartitionOf lets tests tell which partition a task belongs to.
var PartitionOf = partitionOf

// Hook lets tests see and delay the commands of a client.
func Hook(c *Client, h redis.Hook) { c.rdb.AddHook(h) }
