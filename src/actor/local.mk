# src/actor
noinst_LIBRARIES += src/actor/libskein_actor.a
src_actor_libskein_actor_a_SOURCES = \
	src/actor/actor.c src/actor/actor.h src/actor/actor_priv.h \
	src/actor/inbox.c \
	src/actor/sched_sim.c \
	src/actor/sched_threads.c \
	src/actor/workers.c
EXTRA_DIST += src/actor/README.md

if HAVE_CHECK
ACTOR_TEST_LIBS = src/actor/libskein_actor.a src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/actor/inbox_test
TESTS += tests/unit/actor/inbox_test
tests_unit_actor_inbox_test_SOURCES = tests/unit/actor/inbox_test.c
tests_unit_actor_inbox_test_LDADD = $(ACTOR_TEST_LIBS)

check_PROGRAMS += tests/unit/actor/sched_sim_test
TESTS += tests/unit/actor/sched_sim_test
tests_unit_actor_sched_sim_test_SOURCES = tests/unit/actor/sched_sim_test.c
tests_unit_actor_sched_sim_test_LDADD = $(ACTOR_TEST_LIBS)

check_PROGRAMS += tests/unit/actor/sched_threads_test
TESTS += tests/unit/actor/sched_threads_test
tests_unit_actor_sched_threads_test_SOURCES = tests/unit/actor/sched_threads_test.c
tests_unit_actor_sched_threads_test_LDADD = $(ACTOR_TEST_LIBS)

check_PROGRAMS += tests/unit/actor/torture_test
TESTS += tests/unit/actor/torture_test
tests_unit_actor_torture_test_SOURCES = tests/unit/actor/torture_test.c
tests_unit_actor_torture_test_LDADD = $(ACTOR_TEST_LIBS)

check_PROGRAMS += tests/unit/actor/workers_test
TESTS += tests/unit/actor/workers_test
tests_unit_actor_workers_test_SOURCES = tests/unit/actor/workers_test.c
tests_unit_actor_workers_test_LDADD = $(ACTOR_TEST_LIBS)
endif

noinst_PROGRAMS += tests/bench/actor_bench
tests_bench_actor_bench_SOURCES = tests/bench/actor_bench.c
tests_bench_actor_bench_LDADD = src/actor/libskein_actor.a src/os/libskein_os.a src/base/libskein_base.a $(JEMALLOC_LIBS)
