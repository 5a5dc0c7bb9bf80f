-- Which of these files a database has seen; tidecast applies the others, in order.
CREATE TABLE IF NOT EXISTS schema_migrations
(
    number UInt32,
    name String,
    applied_at DateTime('UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY number;
