package redisstore

// PartitionOf lets tests tell which partition a task belongs to.
var PartitionOf = partitionOf
