# tests that belong to no single module
# Files that Apache Kafka wrote, and what is in them: tests/golden/storage/README.md.
EXTRA_DIST += tests/golden/storage
