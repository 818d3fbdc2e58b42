noinst_LIBRARIES += src/storage/libskein_storage.a
src_storage_libskein_storage_a_SOURCES = $(storage_log_files) $(storage_logdir_files)

# The log: segments, indexes, recovery.
storage_log_files = \
	src/storage/batch_order.c src/storage/batch_order.h \
	src/storage/batch_scan.c src/storage/batch_scan.h \
	src/storage/clean_batch.c src/storage/clean_batch.h \
	src/storage/clean_txns.c src/storage/clean_txns.h \
	src/storage/cut_note.c src/storage/cut_note.h \
	src/storage/index_file.c src/storage/index_file.h \
	src/storage/log.c src/storage/log.h src/storage/log_priv.h \
	src/storage/log_append.c \
	src/storage/log_clean.c src/storage/log_clean.h src/storage/log_clean_priv.h \
	src/storage/log_clean_run.c \
	src/storage/log_file.c src/storage/log_file.h \
	src/storage/log_flush.c \
	src/storage/log_move.c \
	src/storage/log_producers.c \
	src/storage/log_read.c \
	src/storage/log_recover.c \
	src/storage/log_retain.c \
	src/storage/log_sweep.c \
	src/storage/log_time.c \
	src/storage/log_truncate.c \
	src/storage/offset_map.c src/storage/offset_map.h \
	src/storage/offset_index.c src/storage/offset_index.h \
	src/storage/segment.c src/storage/segment.h \
	src/storage/segment_append.c \
	src/storage/segment_walk.c src/storage/segment_walk.h \
	src/storage/time_index.c src/storage/time_index.h

# What lies beside it: producers, epochs, aborted transactions, and the log directory.
storage_logdir_files = \
	src/storage/checkpoint.c src/storage/checkpoint.h \
	src/storage/inspect.c src/storage/inspect.h src/storage/inspect_priv.h src/storage/inspect_segment.c \
	src/storage/leader_epochs.c src/storage/leader_epochs.h \
	src/storage/logdir.c src/storage/logdir.h src/storage/logdir_priv.h \
	src/storage/logdir_marks.c \
	src/storage/logdir_scan.c src/storage/logdir_survey.c src/storage/logdir_survey.h \
	src/storage/meta_properties.c src/storage/meta_properties.h \
	src/storage/partition_metadata.c src/storage/partition_metadata.h \
	src/storage/producer_snapshot.c src/storage/producer_snapshot.h \
	src/storage/producer_state.c src/storage/producer_state.h src/storage/producer_state_priv.h \
	src/storage/txn_index.c src/storage/txn_index.h

EXTRA_DIST += src/storage/README.md

storage_test_libs = src/storage/libskein_storage.a src/record/libskein_record.a src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)
if HAVE_CHECK
storage_logdir_tests = \
	tests/unit/storage/checkpoint_test \
	tests/unit/storage/leader_epochs_test \
	tests/unit/storage/logdir_crash_test \
	tests/unit/storage/logdir_test \
	tests/unit/storage/producer_snapshot_test \
	tests/unit/storage/producer_state_test \
	tests/unit/storage/txn_index_test
check_PROGRAMS += $(storage_logdir_tests)
TESTS += $(storage_logdir_tests)
tests_unit_storage_checkpoint_test_SOURCES = tests/unit/storage/checkpoint_test.c tests/unit/storage/golden.h
tests_unit_storage_checkpoint_test_LDADD = $(storage_test_libs)
tests_unit_storage_leader_epochs_test_SOURCES = tests/unit/storage/leader_epochs_test.c tests/unit/storage/golden.h
tests_unit_storage_leader_epochs_test_LDADD = $(storage_test_libs)
tests_unit_storage_logdir_crash_test_LDADD = $(storage_test_libs)
tests_unit_storage_logdir_test_SOURCES = tests/unit/storage/logdir_test.c tests/unit/storage/golden.h
tests_unit_storage_logdir_test_LDADD = $(storage_test_libs)
tests_unit_storage_producer_snapshot_test_SOURCES = tests/unit/storage/producer_snapshot_test.c tests/unit/storage/golden.h
tests_unit_storage_producer_snapshot_test_LDADD = $(storage_test_libs)
tests_unit_storage_producer_state_test_LDADD = $(storage_test_libs)
tests_unit_storage_txn_index_test_SOURCES = tests/unit/storage/txn_index_test.c tests/unit/storage/golden.h
tests_unit_storage_txn_index_test_LDADD = $(storage_test_libs)

storage_log_tests = \
	tests/unit/storage/log_clean_rules_test \
	tests/unit/storage/log_clean_test \
	tests/unit/storage/golden_log_test \
	tests/unit/storage/inspect_test \
	tests/unit/storage/log_crash_test \
	tests/unit/storage/log_test
check_PROGRAMS += $(storage_log_tests)
TESTS += $(storage_log_tests)
tests_unit_storage_golden_log_test_SOURCES = tests/unit/storage/golden_log_test.c tests/unit/storage/log_kit.h
tests_unit_storage_golden_log_test_LDADD = $(storage_test_libs)
tests_unit_storage_inspect_test_SOURCES = tests/unit/storage/inspect_test.c tests/unit/storage/log_kit.h tests/unit/storage/seed_range.h
tests_unit_storage_inspect_test_LDADD = $(storage_test_libs)
tests_unit_storage_log_crash_test_SOURCES = tests/unit/storage/log_crash_test.c tests/unit/storage/log_kit.h tests/unit/storage/seed_range.h
tests_unit_storage_log_crash_test_LDADD = $(storage_test_libs)
tests_unit_storage_log_clean_rules_test_SOURCES = tests/unit/storage/log_clean_rules_test.c tests/unit/storage/log_kit.h
tests_unit_storage_log_clean_rules_test_LDADD = $(storage_test_libs)
tests_unit_storage_log_clean_test_SOURCES = tests/unit/storage/log_clean_test.c tests/unit/storage/log_kit.h tests/unit/storage/seed_range.h
tests_unit_storage_log_clean_test_LDADD = $(storage_test_libs)
tests_unit_storage_log_test_SOURCES = tests/unit/storage/log_test.c tests/unit/storage/log_kit.h
tests_unit_storage_log_test_LDADD = $(storage_test_libs)
endif

noinst_PROGRAMS += tests/bench/log_bench tests/bench/clean_bench
tests_bench_clean_bench_SOURCES = tests/bench/clean_bench.c
tests_bench_clean_bench_LDADD = src/storage/libskein_storage.a src/record/libskein_record.a src/os/libskein_os.a src/base/libskein_base.a \
	$(JEMALLOC_LIBS)
tests_bench_log_bench_SOURCES = tests/bench/log_bench.c
tests_bench_log_bench_LDADD = src/storage/libskein_storage.a src/record/libskein_record.a src/os/libskein_os.a src/base/libskein_base.a \
	$(JEMALLOC_LIBS)

# With --enable-fuzz the targets run under libFuzzer, else replay.c feeds them their corpora.
check_PROGRAMS += tests/fuzz/index_fuzz tests/fuzz/segment_recovery_fuzz
EXTRA_DIST += tests/fuzz/corpus/index tests/fuzz/corpus/segment_recovery
tests_fuzz_index_fuzz_SOURCES = tests/fuzz/index_fuzz.c tests/fuzz/log_fuzz.h
tests_fuzz_index_fuzz_LDADD = $(storage_fuzz_libs)
tests_fuzz_segment_recovery_fuzz_SOURCES = tests/fuzz/segment_recovery_fuzz.c tests/fuzz/log_fuzz.h
tests_fuzz_segment_recovery_fuzz_LDADD = $(storage_fuzz_libs)
storage_fuzz_libs = src/storage/libskein_storage.a src/record/libskein_record.a src/os/libskein_os.a src/base/libskein_base.a
if FUZZ
tests_fuzz_index_fuzz_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_segment_recovery_fuzz_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
else
TESTS += tests/fuzz/index_fuzz tests/fuzz/segment_recovery_fuzz
tests_fuzz_index_fuzz_SOURCES += tests/fuzz/replay.c
tests_fuzz_segment_recovery_fuzz_SOURCES += tests/fuzz/replay.c
endif

# What we write, read by the decoder of the golden files.
check_PROGRAMS += tests/compat/files/skein-write-log
TESTS += tests/compat/files/run
EXTRA_DIST += tests/compat/files/run tests/compat/files/judge.py
tests_compat_files_skein_write_log_SOURCES = tests/compat/files/skein-write-log.c
tests_compat_files_skein_write_log_LDADD = $(storage_fuzz_libs)
