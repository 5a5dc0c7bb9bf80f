-- Each view reads its table with FINAL: a row sent twice counts once, merged or not.

-- The newest forecast of every cell, one row per lead.
CREATE VIEW IF NOT EXISTS latest_forecast AS
SELECT series, region, category, origin, lead, valid_time, mean, quantile_levels, quantiles
FROM
(
    SELECT series, region, category, origin, arrayEnumerate(mean) AS lead,
        valid_time, mean, quantile_levels, quantiles
    FROM predictions FINAL
    WHERE (series, region, category, origin) IN
    (
        SELECT series, region, category, max(origin)
        FROM predictions
        GROUP BY series, region, category
    )
)
ARRAY JOIN lead, valid_time, mean, quantiles;

-- wape = sum of absolute errors / sum of absolute actuals; pinball is the mean per forecast.
CREATE VIEW IF NOT EXISTS accuracy_by_lead AS
SELECT series, expert, lead, observed AS n, wape, rmse, mean_pinball AS pinball
FROM
(
    SELECT series, expert, lead,
        sum(n) AS observed,
        sum(abs_error) / sum(actual) AS wape,
        sqrt(sum(squared_error) / sum(n)) AS rmse,
        sum(pinball) / sum(n) AS mean_pinball
    FROM scores FINAL
    GROUP BY series, expert, lead
);

-- The share of actuals that fell inside each central interval of the blend, over all
-- leads, beside the share that should (nominal).
CREATE VIEW IF NOT EXISTS coverage_by_day AS
SELECT day, series, level AS nominal, observed AS n, covered_total / observed AS coverage
FROM
(
    SELECT toDate(valid_time) AS day, series, level, sum(n) AS observed, sum(inside) AS covered_total
    FROM scores FINAL
    ARRAY JOIN intervals AS level, covered AS inside
    WHERE expert = 'tidecast'
    GROUP BY day, series, level
);
