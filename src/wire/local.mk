# The codec. Everything under gen/ is made from schema/*.msg at build time and shipped in the tarball.
wire_messages = \
	src/wire/gen/add_offsets_to_txn \
	src/wire/gen/add_partitions_to_txn \
	src/wire/gen/allocate_producer_ids \
	src/wire/gen/alter_client_quotas \
	src/wire/gen/alter_configs \
	src/wire/gen/alter_partition \
	src/wire/gen/alter_partition_reassignments \
	src/wire/gen/alter_replica_log_dirs \
	src/wire/gen/alter_user_scram_credentials \
	src/wire/gen/api_versions \
	src/wire/gen/consumer_group_describe \
	src/wire/gen/consumer_group_heartbeat \
	src/wire/gen/consumer_protocol_assignment \
	src/wire/gen/consumer_protocol_subscription \
	src/wire/gen/controlled_shutdown \
	src/wire/gen/create_acls \
	src/wire/gen/create_delegation_token \
	src/wire/gen/create_partitions \
	src/wire/gen/create_topics \
	src/wire/gen/delete_acls \
	src/wire/gen/delete_groups \
	src/wire/gen/delete_records \
	src/wire/gen/delete_topics \
	src/wire/gen/describe_acls \
	src/wire/gen/describe_client_quotas \
	src/wire/gen/describe_cluster \
	src/wire/gen/describe_configs \
	src/wire/gen/describe_delegation_token \
	src/wire/gen/describe_groups \
	src/wire/gen/describe_log_dirs \
	src/wire/gen/describe_producers \
	src/wire/gen/describe_transactions \
	src/wire/gen/describe_user_scram_credentials \
	src/wire/gen/elect_leaders \
	src/wire/gen/end_txn \
	src/wire/gen/expire_delegation_token \
	src/wire/gen/fetch \
	src/wire/gen/find_coordinator \
	src/wire/gen/group_metadata_key \
	src/wire/gen/group_metadata_value \
	src/wire/gen/heartbeat \
	src/wire/gen/incremental_alter_configs \
	src/wire/gen/init_producer_id \
	src/wire/gen/join_group \
	src/wire/gen/leader_and_isr \
	src/wire/gen/leave_group \
	src/wire/gen/list_groups \
	src/wire/gen/list_offsets \
	src/wire/gen/list_partition_reassignments \
	src/wire/gen/list_transactions \
	src/wire/gen/metadata \
	src/wire/gen/offset_commit \
	src/wire/gen/offset_commit_key \
	src/wire/gen/offset_commit_value \
	src/wire/gen/offset_delete \
	src/wire/gen/offset_fetch \
	src/wire/gen/offset_for_leader_epoch \
	src/wire/gen/produce \
	src/wire/gen/renew_delegation_token \
	src/wire/gen/request_header \
	src/wire/gen/response_header \
	src/wire/gen/sasl_authenticate \
	src/wire/gen/sasl_handshake \
	src/wire/gen/stop_replica \
	src/wire/gen/sync_group \
	src/wire/gen/transaction_log_key \
	src/wire/gen/transaction_log_value \
	src/wire/gen/txn_offset_commit \
	src/wire/gen/update_features \
	src/wire/gen/update_metadata \
	src/wire/gen/write_txn_markers
wire_schemas = $(wire_messages:src/wire/gen/%=src/wire/schema/%.msg)
wire_gen = $(wire_messages:=.c) $(wire_messages:=.h) src/wire/gen/api_table.c src/wire/gen/api_table.h
BUILT_SOURCES += $(wire_gen)
CLEANFILES += $(wire_gen)
EXTRA_DIST += NOTICE $(gen_wire) build-aux/import-messages $(wire_schemas) src/wire/README.md \
	tests/golden/messages tests/golden/wire

noinst_LIBRARIES += src/wire/libskein_wire.a
src_wire_libskein_wire_a_SOURCES = \
	src/wire/header.c src/wire/header.h \
	src/wire/subscription.c src/wire/subscription.h \
	src/wire/wire.c src/wire/wire.h \
	$(wire_gen)

gen_wire = build-aux/gen-wire build-aux/wire_schema.py
GEN_WIRE = $(AM_V_GEN)$(MKDIR_P) $(@D) && $(PYTHON) $(top_srcdir)/build-aux/gen-wire

src/wire/gen/%.c src/wire/gen/%.h: src/wire/schema/%.msg $(gen_wire)
	$(GEN_WIRE) codec $(@D) $<
# The % stands for the dot: one run makes both files.
src/wire/gen/api_table%c src/wire/gen/api_table%h: $(wire_schemas) $(gen_wire)
	$(GEN_WIRE) table $(@D) $(filter %.msg,$^)

# The first build compiles before dependencies are known: the generated headers come first.
$(src_wire_libskein_wire_a_OBJECTS): | $(wire_gen)

# Random messages and a table of all codecs: for the unit test, the comparison with Java and the fuzz target.
check_LIBRARIES += tests/unit/wire/libcodec_list.a
tests_unit_wire_libcodec_list_a_SOURCES = tests/unit/wire/codec_list.c tests/unit/wire/codec_list.h
nodist_tests_unit_wire_libcodec_list_a_SOURCES = tests/unit/wire/codec_rows.c
tests_unit_wire_libcodec_list_a_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests
CLEANFILES += tests/unit/wire/codec_rows.c
tests/unit/wire/codec_rows.c: $(wire_schemas) $(gen_wire)
	$(GEN_WIRE) test $@ $(filter %.msg,$^)
$(tests_unit_wire_libcodec_list_a_OBJECTS): | $(wire_gen)

if HAVE_CHECK
check_PROGRAMS += tests/unit/wire/codec_test
TESTS += tests/unit/wire/codec_test
tests_unit_wire_codec_test_SOURCES = tests/unit/wire/codec_test.c
tests_unit_wire_codec_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests
tests_unit_wire_codec_test_LDADD = tests/unit/wire/libcodec_list.a src/wire/libskein_wire.a src/base/libskein_base.a \
	$(CHECK_LIBS)

check_PROGRAMS += tests/unit/wire/captures_test
TESTS += tests/unit/wire/captures_test
tests_unit_wire_captures_test_SOURCES = tests/unit/wire/captures_test.c
tests_unit_wire_captures_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests
tests_unit_wire_captures_test_LDADD = $(tests_unit_wire_codec_test_LDADD)

check_PROGRAMS += tests/unit/wire/wire_test
TESTS += tests/unit/wire/wire_test
tests_unit_wire_wire_test_SOURCES = tests/unit/wire/wire_test.c
tests_unit_wire_wire_test_LDADD = src/wire/libskein_wire.a src/base/libskein_base.a $(CHECK_LIBS)
endif

# The comparison with Kafka's own codec; skips itself without Java and Kafka's jars.
check_PROGRAMS += tests/compat/codec/skein-codec
TESTS += tests/compat/codec/run
EXTRA_DIST += tests/compat/codec/run tests/compat/codec/CodecJudge.java
tests_compat_codec_skein_codec_SOURCES = tests/compat/codec/skein-codec.c
tests_compat_codec_skein_codec_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests
tests_compat_codec_skein_codec_LDADD = tests/unit/wire/libcodec_list.a src/wire/libskein_wire.a src/base/libskein_base.a

# With --enable-fuzz the target runs under libFuzzer, else replay.c feeds it its corpus.
check_PROGRAMS += tests/fuzz/wire_request_fuzz
EXTRA_DIST += tests/fuzz/corpus/wire_request
tests_fuzz_wire_request_fuzz_SOURCES = tests/fuzz/wire_request_fuzz.c
tests_fuzz_wire_request_fuzz_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests
tests_fuzz_wire_request_fuzz_LDADD = tests/unit/wire/libcodec_list.a src/wire/libskein_wire.a src/base/libskein_base.a
if FUZZ
tests_fuzz_wire_request_fuzz_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
else
TESTS += tests/fuzz/wire_request_fuzz
tests_fuzz_wire_request_fuzz_SOURCES += tests/fuzz/replay.c
endif
