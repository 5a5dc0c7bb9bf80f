-- What really happened in a bin, half-open from bin_start to bin_end; NaN: nothing was observed.
-- A correction of a slab arrives as a larger revision.
CREATE TABLE IF NOT EXISTS actuals
(
    series String,
    region String,
    category String,
    bin_start DateTime('UTC'),
    bin_end DateTime('UTC'),
    value Float64,
    revision UInt32
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYear(bin_start)
ORDER BY (series, region, category, bin_start);
