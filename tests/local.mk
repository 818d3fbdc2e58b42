# tests that belong to no single module
# Files that Apache Kafka wrote, and what is in them: tests/golden/storage/README.md.
EXTRA_DIST += tests/golden/storage
# What ThreadSanitizer must not report: set in AM_TESTS_ENVIRONMENT.
EXTRA_DIST += tests/tsan.supp

# The partition actor on a simulated machine, and on threads.
if HAVE_CHECK
partition_test_libs = src/partition/libskein_partition.a src/storage/libskein_storage.a src/cluster/libskein_cluster.a \
	src/record/libskein_record.a src/actor/libskein_actor.a src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)
partition_tests = tests/unit/partition/partition_test tests/unit/partition/partition_crash_test tests/unit/partition/partition_threads_test \
	tests/unit/partition/leader_test tests/unit/partition/delete_records_test tests/unit/partition/follower_test tests/unit/partition/move_test tests/unit/partition/clean_test \
	tests/unit/partition/replication_sim_test
check_PROGRAMS += $(partition_tests)
TESTS += $(partition_tests)
tests_unit_partition_partition_test_SOURCES = tests/unit/partition/partition_test.c tests/unit/partition/rig.c tests/unit/partition/rig.h
tests_unit_partition_partition_test_LDADD = $(partition_test_libs)
tests_unit_partition_leader_test_SOURCES = tests/unit/partition/leader_test.c tests/unit/partition/fake_controller.c \
	tests/unit/partition/fake_controller.h tests/unit/partition/rig.c tests/unit/partition/rig.h
tests_unit_partition_leader_test_LDADD = $(partition_test_libs)
tests_unit_partition_delete_records_test_SOURCES = tests/unit/partition/delete_records_test.c tests/unit/partition/rig.c tests/unit/partition/rig.h
tests_unit_partition_delete_records_test_LDADD = $(partition_test_libs)
tests_unit_partition_replication_sim_test_SOURCES = tests/unit/partition/replication_sim_test.c tests/unit/partition/fake_controller.c \
	tests/unit/partition/fake_controller.h tests/unit/partition/rig.c tests/unit/partition/rig.h
tests_unit_partition_replication_sim_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests
tests_unit_partition_replication_sim_test_LDADD = $(partition_test_libs)
tests_unit_partition_follower_test_SOURCES = tests/unit/partition/follower_test.c tests/unit/partition/rig.c tests/unit/partition/rig.h
tests_unit_partition_follower_test_LDADD = $(partition_test_libs)
tests_unit_partition_move_test_SOURCES = tests/unit/partition/move_test.c tests/unit/partition/fake_controller.c \
	tests/unit/partition/fake_controller.h tests/unit/partition/rig.c tests/unit/partition/rig.h
tests_unit_partition_move_test_LDADD = $(partition_test_libs)
tests_unit_partition_clean_test_SOURCES = tests/unit/partition/clean_test.c tests/unit/storage/seed_range.h tests/unit/partition/fake_controller.c \
	tests/unit/partition/fake_controller.h tests/unit/partition/rig.c tests/unit/partition/rig.h
tests_unit_partition_clean_test_LDADD = $(partition_test_libs)
tests_unit_partition_partition_crash_test_SOURCES = tests/unit/partition/partition_crash_test.c tests/unit/partition/rig.c tests/unit/partition/rig.h
tests_unit_partition_partition_crash_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests
tests_unit_partition_partition_crash_test_LDADD = $(partition_test_libs)
tests_unit_partition_partition_threads_test_SOURCES = tests/unit/partition/partition_threads_test.c tests/unit/partition/rig.c tests/unit/partition/rig.h
tests_unit_partition_partition_threads_test_LDADD = $(partition_test_libs)
endif

# Replays tests/golden/wire (src/wire/local.mk).
EXTRA_DIST += tests/system/golden-wire.test
include $(srcdir)/tests/system/local.mk
include $(srcdir)/tests/checker/local.mk
EXTRA_DIST += tests/sim/README.md tests/slowness.h
# A whole broker in simulation.
if HAVE_CHECK
sim_test_libs = src/broker/libskein_broker.a src/http/libskein_http.a src/api/libskein_api.a src/net/libskein_net.a src/controller/libskein_controller.a \
	src/replica/libskein_replica.a src/client/libskein_client.a src/group/libskein_group.a src/partition/libskein_partition.a src/storage/libskein_storage.a src/coord/libskein_coord.a src/cluster/libskein_cluster.a \
	src/record/libskein_record.a src/wire/libskein_wire.a src/actor/libskein_actor.a src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)
check_PROGRAMS += tests/sim/broker_sim_test tests/sim/cluster_sim_test tests/sim/group_sim_test
TESTS += tests/sim/broker_sim_test tests/sim/cluster_sim_test tests/sim/group_sim_test
tests_sim_broker_sim_test_SOURCES = tests/sim/broker_sim_test.c tests/sim/broker_sim.c tests/sim/broker_sim.h tests/sim/seeds.h
tests_sim_broker_sim_test_LDADD = $(sim_test_libs)
cluster_sim = tests/sim/cluster_watch.c tests/sim/cluster_watch.h tests/sim/cluster_link.c tests/sim/cluster_link.h tests/sim/cluster_disks.c \
	tests/sim/cluster_sim.c tests/sim/cluster_sim.h tests/sim/broker_sim.c tests/sim/broker_sim.h tests/sim/seeds.h
tests_sim_cluster_sim_test_SOURCES = tests/sim/cluster_sim_test.c tests/sim/cluster_load.c tests/sim/cluster_load.h $(cluster_sim)
tests_sim_cluster_sim_test_LDADD = $(sim_test_libs)
tests_sim_group_sim_test_SOURCES = tests/sim/group_sim_test.c tests/sim/cluster_groups.c tests/sim/cluster_groups.h $(cluster_sim)
tests_sim_group_sim_test_LDADD = $(sim_test_libs)
$(tests_sim_broker_sim_test_OBJECTS) $(tests_sim_cluster_sim_test_OBJECTS) $(tests_sim_group_sim_test_OBJECTS): | $(wire_gen)
# What a cluster's events cost, counted: docs/SCALE.md. No test.
check_PROGRAMS += tests/sim/scale_sim
tests_sim_scale_sim_SOURCES = tests/sim/scale_sim.c tests/sim/scale_count.c tests/sim/scale_count.h tests/sim/broker_sim.c tests/sim/broker_sim.h
tests_sim_scale_sim_LDADD = $(sim_test_libs)
$(tests_sim_scale_sim_OBJECTS): | $(wire_gen)
endif
