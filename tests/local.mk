# tests that belong to no single module
# Files that Apache Kafka wrote, and what is in them: tests/golden/storage/README.md.
EXTRA_DIST += tests/golden/storage
# What ThreadSanitizer must not report: set in AM_TESTS_ENVIRONMENT.
EXTRA_DIST += tests/tsan.supp
