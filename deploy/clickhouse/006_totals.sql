-- Predictions are of sums too, named (all) where it is summed over all regions or categories: a
-- view that is added up must not hold them.
DROP TABLE IF EXISTS latest_forecast;
CREATE VIEW IF NOT EXISTS latest_forecast AS
SELECT series, region, category, origin, lead, valid_time, mean, quantile_levels, quantiles
FROM
(
    SELECT series, region, category, origin, arrayEnumerate(mean) AS lead,
        valid_time, mean, quantile_levels, quantiles
    FROM predictions FINAL
    WHERE region != '(all)' AND category != '(all)' AND (series, region, category, origin) IN
    (
        SELECT series, region, category, max(origin)
        FROM predictions
        GROUP BY series, region, category
    )
)
ARRAY JOIN lead, valid_time, mean, quantiles;

-- The same of the sums: over regions, over categories, over both.
CREATE VIEW IF NOT EXISTS latest_totals AS
SELECT series, region, category, origin, lead, valid_time, mean, quantile_levels, quantiles
FROM
(
    SELECT series, region, category, origin, arrayEnumerate(mean) AS lead,
        valid_time, mean, quantile_levels, quantiles
    FROM predictions FINAL
    WHERE (region = '(all)' OR category = '(all)') AND (series, region, category, origin) IN
    (
        SELECT series, region, category, max(origin)
        FROM predictions
        GROUP BY series, region, category
    )
)
ARRAY JOIN lead, valid_time, mean, quantiles;
