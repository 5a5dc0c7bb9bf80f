-- One row per forecast of a cell: every lead in arrays, so that a row is what one record said.
-- The row with the largest revision replaces the others of its key when parts merge; read with
-- FINAL until then. Parts are yearly: one insert may hold a log of a hundred years.
CREATE TABLE IF NOT EXISTS predictions
(
    series String,
    region String,
    category String,
    origin DateTime('UTC'),
    valid_time Array(DateTime('UTC')),
    mean Array(Float32),
    quantile_levels Array(Float64),
    quantiles Array(Array(Float32)),
    experts Array(String),
    weights Array(Array(Float32)),
    revision UInt32
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYear(origin)
ORDER BY (series, region, category, origin);
