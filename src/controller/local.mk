noinst_LIBRARIES += src/controller/libskein_controller.a
src_controller_libskein_controller_a_SOURCES = \
	src/controller/active.c src/controller/active.h src/controller/active_priv.h \
	src/controller/active_batch.c src/controller/active_brokers.c src/controller/active_channel.c src/controller/active_deletion.c \
	src/controller/active_elect.c src/controller/active_feature.c src/controller/active_isr.c src/controller/active_leaders.c src/controller/active_logdirs.c src/controller/active_merge.c \
	src/controller/active_move.c src/controller/active_moving.c src/controller/active_notices.c src/controller/active_partitions.c src/controller/active_prune.c \
	src/controller/active_reassign.c src/controller/active_reassign.h src/controller/active_replicas.c \
	src/controller/active_rules.c src/controller/active_shutdown.c src/controller/active_start.c \
	src/controller/active_states.c src/controller/active_topics.c \
	src/controller/assignment.c src/controller/assignment.h \
	src/controller/controller.c src/controller/controller.h src/controller/controller_msg.h src/controller/controller_priv.h \
	src/controller/controller_admin.c src/controller/controller_admin.h src/controller/controller_create.c src/controller/controller_delete.c src/controller/controller_grow.c \
	src/controller/controller_config.c \
	src/controller/controller_peers.c \
	src/controller/controller_picture.c \
	src/controller/controller_quotas.c \
	src/controller/controller_return.c \
	src/controller/controller_start.c \
	src/controller/controller_stop.c \
	src/controller/controller_task.c \
	src/controller/joining.c src/controller/joining.h \
	src/controller/member_asks.c src/controller/member_control.c src/controller/member_feature.c src/controller/member_isr_node.c \
	src/controller/member_metadata.c src/controller/member_moves.c src/controller/member_replicas.c src/controller/member_roles.c src/controller/member_stop_replica.c \
	src/controller/member_strays.c src/controller/member_topics.c src/controller/mutation_quota.c src/controller/mutation_quota.h src/controller/producer_ids.c src/controller/stored_offsets.c \
	src/controller/znode.c src/controller/znode.h
EXTRA_DIST += src/controller/README.md

if HAVE_CHECK
controller_tests = tests/unit/controller/active_elect_test tests/unit/controller/active_golden_test tests/unit/controller/active_members_test \
	tests/unit/controller/active_merge_test \
	tests/unit/controller/active_requests_test tests/unit/controller/active_rules_test tests/unit/controller/assignment_test \
	tests/unit/controller/controller_sim_test tests/unit/controller/joining_test tests/unit/controller/mutation_quota_test tests/unit/controller/znode_test
check_PROGRAMS += $(controller_tests)
TESTS += $(controller_tests)
# The controller is tested within a whole broker in simulation.
controller_test_libs = src/broker/libskein_broker.a src/http/libskein_http.a src/api/libskein_api.a src/net/libskein_net.a src/controller/libskein_controller.a \
	src/replica/libskein_replica.a src/client/libskein_client.a src/group/libskein_group.a src/partition/libskein_partition.a src/storage/libskein_storage.a src/coord/libskein_coord.a src/cluster/libskein_cluster.a \
	src/record/libskein_record.a src/wire/libskein_wire.a src/actor/libskein_actor.a src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)
# The rig takes the place of the other brokers, and of this broker's member side. What is compared with recordings is compared decision by decision: nothing is merged (active_merge_test).
tests_unit_controller_active_golden_test_SOURCES = tests/unit/controller/active_golden_test.c tests/unit/controller/golden_rig.c tests/unit/controller/golden_rig.h
tests_unit_controller_active_golden_test_LDADD = $(controller_test_libs)
tests_unit_controller_active_golden_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=channels_actor,--wrap=member_enqueue_own,--wrap=active_merge_waiting
tests_unit_controller_active_requests_test_SOURCES = tests/unit/controller/active_requests_test.c tests/unit/controller/golden_rig.c tests/unit/controller/golden_rig.h
tests_unit_controller_active_requests_test_LDADD = $(controller_test_libs)
tests_unit_controller_active_requests_test_LDFLAGS = $(tests_unit_controller_active_golden_test_LDFLAGS)
tests_unit_controller_active_merge_test_SOURCES = tests/unit/controller/active_merge_test.c
tests_unit_controller_active_merge_test_LDADD = $(controller_test_libs)
tests_unit_controller_active_rules_test_SOURCES = tests/unit/controller/active_rules_test.c
tests_unit_controller_active_rules_test_LDADD = $(controller_test_libs)
tests_unit_controller_active_elect_test_SOURCES = tests/unit/controller/active_elect_test.c
tests_unit_controller_active_elect_test_LDADD = $(controller_test_libs)
# It has channels of its own, which take down what is sent.
tests_unit_controller_active_members_test_SOURCES = tests/unit/controller/active_members_test.c tests/sim/broker_sim.c tests/sim/broker_sim.h
tests_unit_controller_active_members_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests
tests_unit_controller_active_members_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=member_enqueue_own,--wrap=active_merge_waiting
tests_unit_controller_active_members_test_LDADD = $(controller_test_libs)
tests_unit_controller_mutation_quota_test_SOURCES = tests/unit/controller/mutation_quota_test.c
tests_unit_controller_mutation_quota_test_LDADD = $(controller_test_libs)
tests_unit_controller_assignment_test_SOURCES = tests/unit/controller/assignment_test.c
tests_unit_controller_assignment_test_LDADD = $(controller_test_libs)
tests_unit_controller_controller_sim_test_SOURCES = tests/unit/controller/controller_sim_test.c tests/sim/broker_sim.c tests/sim/broker_sim.h tests/sim/seeds.h
tests_unit_controller_controller_sim_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests
tests_unit_controller_controller_sim_test_LDADD = $(controller_test_libs)
tests_unit_controller_joining_test_SOURCES = tests/unit/controller/joining_test.c
tests_unit_controller_joining_test_LDADD = $(controller_test_libs)
tests_unit_controller_znode_test_SOURCES = tests/unit/controller/znode_test.c
tests_unit_controller_znode_test_LDADD = $(controller_test_libs)
$(tests_unit_controller_active_elect_test_OBJECTS) $(tests_unit_controller_active_golden_test_OBJECTS) $(tests_unit_controller_active_members_test_OBJECTS) \
$(tests_unit_controller_active_merge_test_OBJECTS) $(tests_unit_controller_active_requests_test_OBJECTS) $(tests_unit_controller_active_rules_test_OBJECTS) $(tests_unit_controller_controller_sim_test_OBJECTS): | $(wire_gen)
endif
EXTRA_DIST += tests/golden/cluster tests/compat/assignment/Assignments.java
