"""A private MariaDB and Kafka in one folder. tools/stack, tools/run and the tests' fixtures use it."""
