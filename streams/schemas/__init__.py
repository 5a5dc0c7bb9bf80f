"""Wire contracts: every record that tidecast reads or writes, each with a schema version."""
