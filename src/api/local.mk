noinst_LIBRARIES += src/api/libskein_api.a
src_api_libskein_api_a_SOURCES = \
	src/api/alter_configs.c \
	src/api/api.h \
	src/api/api_lookup.c \
	src/api/api_rows.c \
	src/api/api_versions.c \
	src/api/api_world.c \
	src/api/broker_loggers.c src/api/broker_loggers.h \
	src/api/broker_view.c src/api/broker_view.h \
	src/api/config_alter.c src/api/config_alter.h \
	src/api/config_resource.c src/api/config_resource.h \
	src/api/controller_requests.c \
	src/api/coordinator.c \
	src/api/create_partitions.c \
	src/api/create_topics.c \
	src/api/delete_groups.c \
	src/api/delete_records.c \
	src/api/delete_topics.c \
	src/api/describe_cluster.c \
	src/api/describe_configs.c \
	src/api/describe_groups.c \
	src/api/describe_log_dirs.c \
	src/api/describe_producers.c \
	src/api/describe_transactions.c \
	src/api/fetch.c src/api/fetch_priv.h src/api/fetch_answer.c src/api/fetch_round.c src/api/fetch_want.c \
	src/api/fetch_session.c src/api/fetch_session.h \
	src/api/fetch_watch.c src/api/fetch_watch.h \
	src/api/find_coordinator.c \
	src/api/heartbeat.c \
	src/api/incremental_alter_configs.c \
	src/api/init_producer_id.c \
	src/api/join_group.c \
	src/api/leave_group.c \
	src/api/list_groups.c \
	src/api/list_offsets.c \
	src/api/list_transactions.c \
	src/api/metadata.c \
	src/api/offset_commit.c \
	src/api/offset_delete.c \
	src/api/offset_fetch.c \
	src/api/offset_for_leader_epoch.c \
	src/api/produce.c \
	src/api/sync_group.c \
	src/api/txn_offset_commit.c \
	src/api/update_features.c \
	src/api/write_txn_markers.c
$(src_api_libskein_api_a_OBJECTS): | $(wire_gen)
EXTRA_DIST += src/api/README.md

if HAVE_CHECK
# The rig stands in for net, so that library is not linked.
api_tests = tests/unit/api/admin_test tests/unit/api/controller_requests_test \
	tests/unit/api/coordinator_test \
	tests/unit/api/fetch_test tests/unit/api/log_dirs_test tests/unit/api/metadata_test tests/unit/api/offsets_test tests/unit/api/records_test \
	tests/unit/api/producer_ids_test tests/unit/api/write_txn_markers_test
check_PROGRAMS += $(api_tests)
TESTS += $(api_tests)
api_test_rig = tests/unit/api/rig.c tests/unit/api/rig.h
api_test_libs = src/api/libskein_api.a src/replica/libskein_replica.a \
	src/storage/libskein_storage.a src/cluster/libskein_cluster.a src/record/libskein_record.a src/wire/libskein_wire.a src/actor/libskein_actor.a \
	src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)
tests_unit_api_admin_test_SOURCES = tests/unit/api/admin_test.c $(api_test_rig)
tests_unit_api_admin_test_LDADD = $(api_test_libs)
tests_unit_api_controller_requests_test_SOURCES = tests/unit/api/controller_requests_test.c \
	$(api_test_rig)
tests_unit_api_controller_requests_test_LDADD = $(api_test_libs)
tests_unit_api_coordinator_test_SOURCES = tests/unit/api/coordinator_test.c $(api_test_rig)
tests_unit_api_coordinator_test_LDADD = $(api_test_libs)
tests_unit_api_fetch_test_SOURCES = tests/unit/api/fetch_test.c $(api_test_rig)
tests_unit_api_fetch_test_LDADD = $(api_test_libs)
tests_unit_api_log_dirs_test_SOURCES = tests/unit/api/log_dirs_test.c $(api_test_rig)
tests_unit_api_log_dirs_test_LDADD = $(api_test_libs)
tests_unit_api_metadata_test_SOURCES = tests/unit/api/metadata_test.c $(api_test_rig)
tests_unit_api_metadata_test_LDADD = $(api_test_libs)
tests_unit_api_offsets_test_SOURCES = tests/unit/api/offsets_test.c $(api_test_rig)
tests_unit_api_offsets_test_LDADD = $(api_test_libs)
tests_unit_api_records_test_SOURCES = tests/unit/api/records_test.c $(api_test_rig)
tests_unit_api_records_test_LDADD = $(api_test_libs)
tests_unit_api_producer_ids_test_SOURCES = tests/unit/api/producer_ids_test.c $(api_test_rig)
tests_unit_api_producer_ids_test_LDADD = $(api_test_libs)
tests_unit_api_write_txn_markers_test_SOURCES = tests/unit/api/write_txn_markers_test.c \
	$(api_test_rig)
tests_unit_api_write_txn_markers_test_LDADD = $(api_test_libs)
$(tests_unit_api_admin_test_OBJECTS) $(tests_unit_api_controller_requests_test_OBJECTS) \
$(tests_unit_api_coordinator_test_OBJECTS) $(tests_unit_api_fetch_test_OBJECTS) $(tests_unit_api_log_dirs_test_OBJECTS) $(tests_unit_api_metadata_test_OBJECTS) \
$(tests_unit_api_offsets_test_OBJECTS) $(tests_unit_api_records_test_OBJECTS) $(tests_unit_api_producer_ids_test_OBJECTS) \
$(tests_unit_api_write_txn_markers_test_OBJECTS): | $(wire_gen)
endif
