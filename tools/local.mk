# The skein command. What the verbs are made of is a library of its own, so that unit tests can link it.
noinst_LIBRARIES += tools/libskein_tools.a
tools_libskein_tools_a_SOURCES = \
	tools/adopt.c \
	tools/bench/bench.c tools/bench/bench.h tools/bench/connections.c tools/bench/consume.c tools/bench/groups.c \
	tools/bench/histogram.c tools/bench/histogram.h tools/bench/load.c \
	tools/bench/noise.c tools/bench/noise.h tools/bench/partitions.c \
	tools/bench/peers.c tools/bench/peers.h tools/bench/start.c \
	tools/broker_file.c tools/broker_file.h \
	tools/check_java.c tools/check_java.h tools/check_java_dirs.c tools/check_java_peers.c tools/check_java_remedies.c tools/check_java_store.c \
	tools/cluster.c tools/cluster.h \
	tools/cluster_show.c \
	tools/complete.c tools/complete.h tools/completion.c \
	tools/consume.c \
	tools/consume.h tools/consume_group.c tools/consume_output.c tools/consume_places.c \
	tools/decode.c tools/decode.h \
	tools/dirs.c \
	tools/doctor.c tools/doctor.h tools/doctor_dir.c tools/doctor_repair.c \
	tools/group.c tools/group.h \
	tools/group_offsets.c tools/group_show.c \
	tools/help_text.c tools/help_text.h \
	tools/http_get.c tools/http_get.h \
	tools/input.c tools/input.h \
	tools/json_record.c tools/json_record.h \
	tools/line_set.c tools/line_set.h \
	tools/log.c tools/log.h tools/log_dump.c tools/log_find.c tools/log_small.c tools/log_text.c tools/log_txns.c tools/log_txns.h tools/log_verify.c \
	tools/lone_store.c tools/lone_store.h \
	tools/look.c tools/look.h tools/look_group.c tools/look_priv.h \
	tools/produce.c tools/produce.h tools/produce_report.c \
	tools/profile.c tools/profile.h tools/profile_verb.c \
	tools/progress.c tools/progress.h \
	tools/reassign.c tools/reassign_dirs.c tools/reassign_dirs.h tools/reassign_throttle.c \
	tools/record_filter.c tools/record_filter.h tools/record_print.c tools/record_print.h \
	tools/resume.c tools/resume.h \
	tools/screen.c tools/screen.h \
	tools/setting.c tools/setting.h \
	tools/settings.c tools/settings.h tools/settings_change.c tools/settings_diff.c \
	tools/show.c tools/show.h \
	tools/status.c \
	tools/store.c tools/store.h \
	tools/table.c tools/table.h \
	tools/tail.c tools/tail.h \
	tools/target.c \
	tools/tool.c tools/tool.h \
	tools/top.c tools/top.h tools/top_draw.c tools/top_print.c tools/top_table.c \
	tools/topic.c tools/topic.h tools/topic_show.c \
	tools/value.c tools/value.h
tools_libskein_tools_a_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
$(tools_libskein_tools_a_OBJECTS): | $(wire_gen)

bin_PROGRAMS += skein
skein_SOURCES = tools/main.c
skein_LDADD = tools/libskein_tools.a src/libskein/libskein_face.a src/broker/libskein_broker.a src/http/libskein_http.a src/api/libskein_api.a src/net/libskein_net.a \
	src/controller/libskein_controller.a src/replica/libskein_replica.a src/client/libskein_client.a src/group/libskein_group.a src/partition/libskein_partition.a \
	src/storage/libskein_storage.a src/coord/libskein_coord.a src/cluster/libskein_cluster.a \
	src/record/libskein_record.a src/wire/libskein_wire.a src/actor/libskein_actor.a src/os/libskein_os.a \
	src/base/libskein_base.a $(JEMALLOC_LIBS)

EXTRA_DIST += \
	docs/COMMAND.md tests/system/bench.test tests/system/check.test tests/system/command-java.test tests/system/completion.test \
	tests/system/config.test tests/system/consume.test tests/system/log-java.test tests/system/log.test \
	tests/system/log_judge.py tests/system/look-java.test tests/system/look.test tests/system/mistakes.test \
	tests/system/produce.test tests/system/round-trip.test tests/system/round_trip.py tests/system/screens.py \
	tests/system/screens.test tests/system/target.test tests/system/tools.test tests/system/top.test
if HAVE_CHECK
check_PROGRAMS += tests/unit/client/value_test
TESTS += tests/unit/client/value_test
tests_unit_client_value_test_SOURCES = tests/unit/client/value_test.c
tests_unit_client_value_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
tests_unit_client_value_test_LDADD = tools/libskein_tools.a src/client/libskein_client.a src/record/libskein_record.a \
	src/wire/libskein_wire.a src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)
check_PROGRAMS += tests/unit/tools/histogram_test
TESTS += tests/unit/tools/histogram_test
tests_unit_tools_histogram_test_SOURCES = tests/unit/tools/histogram_test.c
tests_unit_tools_histogram_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
tests_unit_tools_histogram_test_LDADD = tools/libskein_tools.a src/base/libskein_base.a $(CHECK_LIBS)
check_PROGRAMS += tests/unit/tools/table_test
TESTS += tests/unit/tools/table_test
tests_unit_tools_table_test_SOURCES = tests/unit/tools/table_test.c
tests_unit_tools_table_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
tests_unit_tools_table_test_LDADD = tools/libskein_tools.a src/base/libskein_base.a $(CHECK_LIBS)
check_PROGRAMS += tests/unit/tools/profile_test
TESTS += tests/unit/tools/profile_test
tests_unit_tools_profile_test_SOURCES = tests/unit/tools/profile_test.c
tests_unit_tools_profile_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
tests_unit_tools_profile_test_LDADD = tools/libskein_tools.a src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)
check_PROGRAMS += tests/unit/tools/log_text_test
TESTS += tests/unit/tools/log_text_test
tests_unit_tools_log_text_test_SOURCES = tests/unit/tools/log_text_test.c
tests_unit_tools_log_text_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
tests_unit_tools_log_text_test_LDADD = tools/libskein_tools.a src/client/libskein_client.a src/storage/libskein_storage.a src/record/libskein_record.a \
	src/wire/libskein_wire.a src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)
check_PROGRAMS += tests/unit/tools/decode_test
TESTS += tests/unit/tools/decode_test
tests_unit_tools_decode_test_SOURCES = tests/unit/tools/decode_test.c
tests_unit_tools_decode_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
tests_unit_tools_decode_test_LDADD = tools/libskein_tools.a src/record/libskein_record.a src/wire/libskein_wire.a src/os/libskein_os.a \
	src/base/libskein_base.a $(CHECK_LIBS)
check_PROGRAMS += tests/unit/tools/setting_test
TESTS += tests/unit/tools/setting_test
tests_unit_tools_setting_test_SOURCES = tests/unit/tools/setting_test.c
tests_unit_tools_setting_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
tests_unit_tools_setting_test_LDADD = tools/libskein_tools.a src/base/libskein_base.a $(CHECK_LIBS)
$(tests_unit_tools_setting_test_OBJECTS): | $(wire_gen)
check_PROGRAMS += tests/unit/tools/help_text_test
TESTS += tests/unit/tools/help_text_test
tests_unit_tools_help_text_test_SOURCES = tests/unit/tools/help_text_test.c
tests_unit_tools_help_text_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
tests_unit_tools_help_text_test_LDADD = tools/libskein_tools.a src/base/libskein_base.a $(CHECK_LIBS)
check_PROGRAMS += tests/unit/tools/consume_test
TESTS += tests/unit/tools/consume_test
tests_unit_tools_consume_test_SOURCES = tests/unit/tools/consume_test.c
tests_unit_tools_consume_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
tests_unit_tools_consume_test_LDADD = tools/libskein_tools.a src/client/libskein_client.a src/record/libskein_record.a \
	src/wire/libskein_wire.a src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)
check_PROGRAMS += tests/unit/tools/produce_test
TESTS += tests/unit/tools/produce_test
tests_unit_tools_produce_test_SOURCES = tests/unit/tools/produce_test.c
tests_unit_tools_produce_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
tests_unit_tools_produce_test_LDADD = tools/libskein_tools.a src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)
check_PROGRAMS += tests/unit/tools/top_test
TESTS += tests/unit/tools/top_test
tests_unit_tools_top_test_SOURCES = tests/unit/tools/top_test.c
tests_unit_tools_top_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
tests_unit_tools_top_test_LDADD = tools/libskein_tools.a src/libskein/libskein_face.a src/client/libskein_client.a src/record/libskein_record.a \
	src/wire/libskein_wire.a src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)
check_PROGRAMS += tests/unit/tools/look_test
TESTS += tests/unit/tools/look_test
tests_unit_tools_look_test_SOURCES = tests/unit/tools/look_test.c tests/unit/client/hostile.h $(client_rig)
tests_unit_tools_look_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools -I$(top_srcdir)/tests
tests_unit_tools_look_test_LDADD = tools/libskein_tools.a src/libskein/libskein_face.a tests/unit/wire/libcodec_list.a $(client_test_ldadd)
$(tests_unit_tools_look_test_OBJECTS): | $(wire_gen)
endif
