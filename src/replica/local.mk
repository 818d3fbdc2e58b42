noinst_LIBRARIES += src/replica/libskein_replica.a
src_replica_libskein_replica_a_SOURCES = \
	src/replica/fetcher.c src/replica/fetcher.h src/replica/fetcher_priv.h \
	src/replica/leader.c \
	src/replica/pull_fetch.c \
	src/replica/pull_truncate.c \
	src/replica/session.c src/replica/session.h
$(src_replica_libskein_replica_a_OBJECTS): | $(wire_gen)
EXTRA_DIST += src/replica/README.md

if HAVE_CHECK
replica_test_libs = src/replica/libskein_replica.a src/client/libskein_client.a src/partition/libskein_partition.a src/storage/libskein_storage.a \
	src/cluster/libskein_cluster.a src/record/libskein_record.a src/wire/libskein_wire.a src/actor/libskein_actor.a src/os/libskein_os.a \
	src/base/libskein_base.a $(CHECK_LIBS)
replica_rig = tests/unit/replica/rig.c tests/unit/replica/rig.h tests/unit/replica/fake_leader.c tests/unit/replica/fake_leader.h
replica_tests = tests/unit/replica/fetcher_test
check_PROGRAMS += $(replica_tests)
TESTS += $(replica_tests)
tests_unit_replica_fetcher_test_SOURCES = tests/unit/replica/fetcher_test.c $(replica_rig)
tests_unit_replica_fetcher_test_LDADD = $(replica_test_libs)
$(tests_unit_replica_fetcher_test_OBJECTS): | $(wire_gen)
endif
