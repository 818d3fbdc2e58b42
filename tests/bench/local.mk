# The figures of a whole broker: make bench, or tests/bench/broker_bench with options of its own; of three over ZooKeeper: make bench-cluster.
noinst_PROGRAMS += tests/bench/broker_bench
tests_bench_broker_bench_SOURCES = tests/bench/broker_bench.c tests/bench/bench.h \
	tests/bench/bench_client.c tests/bench/bench_load.c \
	tests/bench/bench_process.c tests/bench/bench_report.c
tests_bench_broker_bench_LDADD = src/wire/libskein_wire.a src/record/libskein_record.a \
	src/base/libskein_base.a
$(tests_bench_broker_bench_OBJECTS): | $(wire_gen)
noinst_PROGRAMS += tests/bench/cluster_bench
tests_bench_cluster_bench_SOURCES = tests/bench/cluster_bench.c tests/bench/bench.h \
	tests/bench/bench_client.c tests/bench/bench_load.c \
	tests/bench/bench_process.c tests/bench/bench_report.c
tests_bench_cluster_bench_LDADD = $(tests_bench_broker_bench_LDADD)
$(tests_bench_cluster_bench_OBJECTS): | $(wire_gen)
# From end to end on plain sockets.
noinst_PROGRAMS += tests/bench/raw_e2e
tests_bench_raw_e2e_SOURCES = tests/bench/raw_e2e.c tests/bench/bench.h tests/bench/bench_client.c tests/bench/bench_process.c tests/bench/bench_report.c
tests_bench_raw_e2e_LDADD = $(tests_bench_broker_bench_LDADD)
$(tests_bench_raw_e2e_OBJECTS): | $(wire_gen)
# What beside_java puts on skein and on Java brokers.
noinst_PROGRAMS += tests/bench/load_one
tests_bench_load_one_SOURCES = tests/bench/load_one.c tests/bench/bench.h \
	tests/bench/bench_client.c tests/bench/bench_load.c \
	tests/bench/bench_process.c tests/bench/bench_report.c
tests_bench_load_one_LDADD = $(tests_bench_broker_bench_LDADD)
$(tests_bench_load_one_OBJECTS): | $(wire_gen)
# The floors that compare measures beside brokers, and the client it puts on all of them.
noinst_PROGRAMS += tests/bench/floor
tests_bench_floor_SOURCES = tests/bench/floor.c tests/bench/bench.h tests/bench/bench_client.c tests/bench/bench_process.c tests/bench/bench_report.c
tests_bench_floor_LDADD = $(tests_bench_broker_bench_LDADD)
$(tests_bench_floor_OBJECTS): | $(wire_gen)
noinst_PROGRAMS += tests/bench/fan_bench
tests_bench_fan_bench_SOURCES = tests/bench/fan_bench.c tests/bench/bench.h tests/bench/bench_client.c tests/bench/bench_load.c tests/bench/bench_process.c tests/bench/bench_report.c
tests_bench_fan_bench_LDADD = $(tests_bench_broker_bench_LDADD) -lpthread
$(tests_bench_fan_bench_OBJECTS): | $(wire_gen)
# Calls to ZooKeeper, for docs/SCALE.md.
noinst_PROGRAMS += tests/bench/coord_bench
tests_bench_coord_bench_SOURCES = tests/bench/coord_bench.c
tests_bench_coord_bench_LDADD = src/coord/libskein_coord.a src/actor/libskein_actor.a src/os/libskein_os.a src/base/libskein_base.a
if HAVE_RDKAFKA
noinst_PROGRAMS += tests/bench/rdkafka_bench
tests_bench_rdkafka_bench_SOURCES = tests/bench/rdkafka_bench.c
tests_bench_rdkafka_bench_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
tests_bench_rdkafka_bench_LDADD = tools/libskein_tools.a src/os/libskein_os.a src/base/libskein_base.a -lrdkafka -lpthread
endif
EXTRA_DIST += tests/bench/command_start tests/bench/compare tests/bench/brokers.py tests/bench/java-tuned.properties tests/bench/README.md tests/bench/failover tests/bench/group_bench.py tests/bench/beside_java
EXTRA_DIST += tests/system/compare.test

bench: $(bin_PROGRAMS) tests/bench/broker_bench
	tests/bench/broker_bench --json bench.json --dir "$$(pwd)/bench-data" \
		--revision "$$(git -C $(srcdir) describe --always --dirty 2>/dev/null || echo $(VERSION))" ./skein
bench-cluster: $(bin_PROGRAMS) tests/bench/cluster_bench
	tests/bench/cluster_bench --json bench.json --dir "$$(pwd)/bench-data" \
		--revision "$$(git -C $(srcdir) describe --always --dirty 2>/dev/null || echo $(VERSION))" ./skein $(srcdir)/tests/system/zookeeper
.PHONY: bench bench-cluster

# Client libraries side by side: README.md.
if HAVE_RDKAFKA
check_PROGRAMS += tests/bench/library_cpu
tests_bench_library_cpu_SOURCES = tests/bench/library_cpu.c
tests_bench_library_cpu_LDADD = src/libskein/libskein_face.a src/client/libskein_client.a src/record/libskein_record.a src/wire/libskein_wire.a src/os/libskein_os.a \
	src/base/libskein_base.a -lrdkafka
endif

# What a request costs in instructions: a broker on a simulated machine, for callgrind. tests/bench/counts compares it with tests/bench/counts.json.
EXTRA_DIST += tests/bench/counts tests/bench/counts.json
if HAVE_CHECK
check_PROGRAMS += tests/bench/count_requests
tests_bench_count_requests_SOURCES = tests/bench/count_requests.c tests/sim/broker_sim.c tests/sim/broker_sim.h
tests_bench_count_requests_LDADD = $(sim_test_libs)
$(tests_bench_count_requests_OBJECTS): | $(wire_gen)
endif
