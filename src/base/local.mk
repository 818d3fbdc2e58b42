noinst_LIBRARIES += src/base/libskein_base.a
src_base_libskein_base_a_SOURCES = \
	src/base/arena.c src/base/arena.h \
	src/base/base.c src/base/base.h \
	src/base/bytes.h \
	src/base/config.c src/base/config.h \
	src/base/config_broker.def src/base/config_topic.def \
	src/base/config_change.c src/base/config_change.h \
	src/base/config_describe.c src/base/config_describe.h \
	src/base/config_file.c src/base/config_file.h \
	src/base/config_listener.c src/base/config_listener.h \
	src/base/config_set.c src/base/config_set.h \
	src/base/config_table.c src/base/config_table.h \
	src/base/config_value.c src/base/config_value.h \
	src/base/counted.h \
	src/base/crc32c.c src/base/crc32c.h \
	src/base/err.c src/base/err.h src/base/kafka_error.def \
	src/base/fault.c src/base/fault.h src/base/fault_points.def \
	src/base/list.h \
	src/base/log.c src/base/log.h src/base/log_events.def src/base/log_remedies.def src/base/log_level.c src/base/log_line.c src/base/log_line.h \
	src/base/map.c src/base/map.h \
	src/base/nearest.c src/base/nearest.h \
	src/base/probe.h \
	src/base/siphash.h \
	src/base/slice.h \
	src/base/strbuf.c src/base/strbuf.h \
	src/base/throttle.c src/base/throttle.h \
	src/base/utf16.c src/base/utf16.h src/base/utf8.h src/base/address.h \
	src/base/uuid.c src/base/uuid.h \
	src/base/varint.h

EXTRA_DIST += docs/CONFIGURATION.md

if HAVE_CHECK
check_PROGRAMS += tests/unit/base/arena_test
TESTS += tests/unit/base/arena_test
tests_unit_base_arena_test_SOURCES = tests/unit/base/arena_test.c
tests_unit_base_arena_test_LDADD = src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/base/fault_test
TESTS += tests/unit/base/fault_test
tests_unit_base_fault_test_SOURCES = tests/unit/base/fault_test.c
tests_unit_base_fault_test_LDADD = src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/base/log_test
TESTS += tests/unit/base/log_test
tests_unit_base_log_test_SOURCES = tests/unit/base/log_test.c tests/unit/document.h
tests_unit_base_log_test_LDADD = src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/base/map_test
TESTS += tests/unit/base/map_test
tests_unit_base_map_test_SOURCES = tests/unit/base/map_test.c
tests_unit_base_map_test_LDADD = src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/base/nearest_test
TESTS += tests/unit/base/nearest_test
tests_unit_base_nearest_test_SOURCES = tests/unit/base/nearest_test.c
tests_unit_base_nearest_test_LDADD = src/base/libskein_base.a $(CHECK_LIBS)
check_PROGRAMS += tests/unit/base/strbuf_test
TESTS += tests/unit/base/strbuf_test
tests_unit_base_strbuf_test_SOURCES = tests/unit/base/strbuf_test.c
tests_unit_base_strbuf_test_LDADD = src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/base/throttle_test
TESTS += tests/unit/base/throttle_test
tests_unit_base_throttle_test_SOURCES = tests/unit/base/throttle_test.c
tests_unit_base_throttle_test_LDADD = src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/base/crc32c_test
TESTS += tests/unit/base/crc32c_test
tests_unit_base_crc32c_test_SOURCES = tests/unit/base/crc32c_test.c
tests_unit_base_crc32c_test_LDADD = src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/base/uuid_test
TESTS += tests/unit/base/uuid_test
tests_unit_base_uuid_test_SOURCES = tests/unit/base/uuid_test.c
tests_unit_base_uuid_test_LDADD = src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/base/config_test
TESTS += tests/unit/base/config_test
tests_unit_base_config_test_SOURCES = tests/unit/base/config_test.c
tests_unit_base_config_test_LDADD = src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/base/config_change_test
TESTS += tests/unit/base/config_change_test
tests_unit_base_config_change_test_SOURCES = tests/unit/base/config_change_test.c
tests_unit_base_config_change_test_LDADD = src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/base/config_doc_test
TESTS += tests/unit/base/config_doc_test
tests_unit_base_config_doc_test_SOURCES = tests/unit/base/config_doc_test.c tests/unit/document.h
tests_unit_base_config_doc_test_LDADD = src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/base/config_describe_test
TESTS += tests/unit/base/config_describe_test
tests_unit_base_config_describe_test_SOURCES = tests/unit/base/config_describe_test.c
tests_unit_base_config_describe_test_LDADD = src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/base/config_table_test
TESTS += tests/unit/base/config_table_test
tests_unit_base_config_table_test_SOURCES = tests/unit/base/config_table_test.c
tests_unit_base_config_table_test_LDADD = src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/base/config_file_test
TESTS += tests/unit/base/config_file_test
tests_unit_base_config_file_test_SOURCES = tests/unit/base/config_file_test.c
tests_unit_base_config_file_test_LDADD = src/base/libskein_base.a $(CHECK_LIBS)
endif

EXTRA_DIST += tests/golden/config

# With --enable-fuzz the target runs under libFuzzer, else replay.c feeds it its corpus.
check_PROGRAMS += tests/fuzz/config_fuzz
EXTRA_DIST += tests/fuzz/corpus/config
tests_fuzz_config_fuzz_SOURCES = tests/fuzz/config_fuzz.c
tests_fuzz_config_fuzz_LDADD = src/base/libskein_base.a
if FUZZ
tests_fuzz_config_fuzz_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
else
TESTS += tests/fuzz/config_fuzz
tests_fuzz_config_fuzz_SOURCES += tests/fuzz/replay.c
endif
EXTRA_DIST += docs/EVENTS.md
