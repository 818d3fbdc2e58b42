noinst_LIBRARIES += src/net/libskein_net.a
src_net_libskein_net_a_SOURCES = \
	src/net/acceptor.c \
	src/net/call.c \
	src/net/connection.c \
	src/net/frames.c src/net/frames.h \
	src/net/net.c src/net/net.h src/net/net_priv.h \
	src/net/network.c \
	src/net/output.c \
	src/net/request.c \
	src/net/request_times.c \
	src/net/timers.c src/net/timers.h
$(src_net_libskein_net_a_OBJECTS): | $(wire_gen)

if HAVE_CHECK
# The rig stands in for partitions and segment files, so neither library is linked.
NET_TEST_LIBS = src/net/libskein_net.a src/cluster/libskein_cluster.a src/wire/libskein_wire.a src/actor/libskein_actor.a \
	src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)

check_PROGRAMS += tests/unit/net/net_test
TESTS += tests/unit/net/net_test
tests_unit_net_net_test_SOURCES = tests/unit/net/net_test.c tests/unit/net/net_rig.c tests/unit/net/net_rig.h
tests_unit_net_net_test_LDADD = $(NET_TEST_LIBS)
$(tests_unit_net_net_test_OBJECTS): | $(wire_gen)

check_PROGRAMS += tests/unit/net/timers_test tests/unit/net/frames_test
TESTS += tests/unit/net/timers_test tests/unit/net/frames_test
tests_unit_net_timers_test_SOURCES = tests/unit/net/timers_test.c
tests_unit_net_timers_test_LDADD = src/net/libskein_net.a src/base/libskein_base.a $(CHECK_LIBS)
tests_unit_net_frames_test_SOURCES = tests/unit/net/frames_test.c
tests_unit_net_frames_test_LDADD = src/net/libskein_net.a src/base/libskein_base.a $(CHECK_LIBS)
endif
EXTRA_DIST += src/net/README.md

noinst_PROGRAMS += tests/bench/net_bench
tests_bench_net_bench_SOURCES = tests/bench/net_bench.c
tests_bench_net_bench_LDADD = src/net/libskein_net.a src/cluster/libskein_cluster.a src/wire/libskein_wire.a \
	src/actor/libskein_actor.a src/os/libskein_os.a src/base/libskein_base.a $(JEMALLOC_LIBS)
$(tests_bench_net_bench_OBJECTS): | $(wire_gen)
