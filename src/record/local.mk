noinst_LIBRARIES += src/record/libskein_record.a
src_record_libskein_record_a_SOURCES = \
	src/record/batch.c src/record/batch.h \
	src/record/build.c src/record/build.h \
	src/record/codec.h \
	src/record/compress.c src/record/compress.h \
	src/record/decompress.c \
	src/record/form.c \
	src/record/record.c src/record/record.h src/record/record_priv.h \
	src/record/validate.c src/record/validate.h

if HAVE_CHECK
record_test_ldadd = src/record/libskein_record.a src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/record/record_test
TESTS += tests/unit/record/record_test
tests_unit_record_record_test_SOURCES = tests/unit/record/record_test.c tests/unit/record/record_test_util.h
tests_unit_record_record_test_LDADD = $(record_test_ldadd)

check_PROGRAMS += tests/unit/record/compress_test
TESTS += tests/unit/record/compress_test
tests_unit_record_compress_test_SOURCES = tests/unit/record/compress_test.c tests/unit/record/record_test_util.h
tests_unit_record_compress_test_LDADD = $(record_test_ldadd)

check_PROGRAMS += tests/unit/record/build_test
TESTS += tests/unit/record/build_test
tests_unit_record_build_test_SOURCES = tests/unit/record/build_test.c tests/unit/record/record_test_util.h
tests_unit_record_build_test_LDADD = $(record_test_ldadd)

check_PROGRAMS += tests/unit/record/validate_test
TESTS += tests/unit/record/validate_test
tests_unit_record_validate_test_SOURCES = tests/unit/record/validate_test.c tests/unit/record/record_test_util.h
tests_unit_record_validate_test_LDADD = $(record_test_ldadd) $(JEMALLOC_LIBS)
endif

# With --enable-fuzz the target runs under libFuzzer, else replay.c feeds it its corpus.
check_PROGRAMS += tests/fuzz/batch_fuzz
EXTRA_DIST += tests/fuzz/corpus/batch
tests_fuzz_batch_fuzz_SOURCES = tests/fuzz/batch_fuzz.c
tests_fuzz_batch_fuzz_LDADD = src/record/libskein_record.a src/base/libskein_base.a
if FUZZ
tests_fuzz_batch_fuzz_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
else
TESTS += tests/fuzz/batch_fuzz
tests_fuzz_batch_fuzz_SOURCES += tests/fuzz/replay.c
endif

noinst_PROGRAMS += tests/bench/record_bench
tests_bench_record_bench_SOURCES = tests/bench/record_bench.c
tests_bench_record_bench_LDADD = src/record/libskein_record.a src/base/libskein_base.a

EXTRA_DIST += src/record/README.md

# The comparison with Kafka's validator; skipped where there is none.
check_PROGRAMS += tests/compat/validate/skein-validate
TESTS += tests/compat/validate/run
EXTRA_DIST += tests/compat/validate/run tests/compat/validate/ValidateJudge.java
tests_compat_validate_skein_validate_SOURCES = tests/compat/validate/skein-validate.c
tests_compat_validate_skein_validate_LDADD = src/record/libskein_record.a src/base/libskein_base.a
