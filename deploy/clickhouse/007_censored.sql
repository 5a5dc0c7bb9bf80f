-- Where 1, less came in the bin than was wanted (sold out, closed): the value is the least it was.
ALTER TABLE actuals ADD COLUMN IF NOT EXISTS censored UInt8 DEFAULT 0 AFTER value;
