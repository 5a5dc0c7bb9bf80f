-- Sums over the cells of one shard, of one expert's forecasts for one valid_time; the expert
-- 'tidecast' is the blend. Sums add up over any rows, and every mean is a ratio of two.
CREATE TABLE IF NOT EXISTS scores
(
    shard UInt32,
    series String,
    expert String,
    lead UInt16,
    valid_time DateTime('UTC'),
    n UInt64,
    abs_error Float64,
    squared_error Float64,
    actual Float64,
    pinball Float64,
    intervals Array(Float64),
    covered Array(UInt64),
    revision UInt32
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYear(valid_time)
ORDER BY (series, expert, lead, valid_time, shard);
