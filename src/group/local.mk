noinst_LIBRARIES += src/group/libskein_group.a
src_group_libskein_group_a_SOURCES = \
	src/group/coordinator.c \
	src/group/coordinator_load.c \
	src/group/group.c src/group/group.h src/group/group_msg.h src/group/group_priv.h \
	src/group/group_answers.c \
	src/group/group_members.c \
	src/group/group_records.c \
	src/group/offsets.c \
	src/group/transactions.c
$(src_group_libskein_group_a_OBJECTS): | $(wire_gen)
EXTRA_DIST += src/group/README.md

if HAVE_CHECK
# The state machine alone: the test stands in for the coordinator, so that library is not linked.
check_PROGRAMS += tests/unit/group/group_test
TESTS += tests/unit/group/group_test
tests_unit_group_group_test_SOURCES = tests/unit/group/group_test.c src/group/group.c src/group/group_answers.c src/group/group_members.c src/group/offsets.c src/group/group_records.c
tests_unit_group_group_test_LDADD = src/record/libskein_record.a src/wire/libskein_wire.a src/actor/libskein_actor.a src/os/libskein_os.a \
	src/base/libskein_base.a $(CHECK_LIBS)
$(tests_unit_group_group_test_OBJECTS): | $(wire_gen)
# With its log, on a simulated machine.
group_test_libs = src/group/libskein_group.a src/partition/libskein_partition.a src/storage/libskein_storage.a src/cluster/libskein_cluster.a \
	src/record/libskein_record.a src/wire/libskein_wire.a src/actor/libskein_actor.a src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)
group_rig = tests/unit/group/group_rig.c tests/unit/group/group_rig.h tests/unit/partition/rig.c tests/unit/partition/rig.h
check_PROGRAMS += tests/unit/group/coordinator_test tests/unit/group/group_crash_test tests/unit/group/transactions_test
TESTS += tests/unit/group/coordinator_test tests/unit/group/group_crash_test tests/unit/group/transactions_test
tests_unit_group_coordinator_test_SOURCES = tests/unit/group/coordinator_test.c $(group_rig)
tests_unit_group_coordinator_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests
tests_unit_group_coordinator_test_LDADD = $(group_test_libs)
tests_unit_group_group_crash_test_SOURCES = tests/unit/group/group_crash_test.c $(group_rig)
tests_unit_group_group_crash_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests
tests_unit_group_group_crash_test_LDADD = $(group_test_libs)
tests_unit_group_transactions_test_SOURCES = tests/unit/group/transactions_test.c $(group_rig)
tests_unit_group_transactions_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests
tests_unit_group_transactions_test_LDADD = $(group_test_libs)
$(tests_unit_group_coordinator_test_OBJECTS) $(tests_unit_group_group_crash_test_OBJECTS) $(tests_unit_group_transactions_test_OBJECTS): | $(wire_gen)
endif
