"""Everything that touches Kafka or ClickHouse: schemas, agents, sink, clients."""
