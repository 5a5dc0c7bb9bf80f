"""What is needed around the program: ClickHouse migrations, compose file, Kafka's jars."""
