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
	tools/consume.c \
	tools/decode.c tools/decode.h \
	tools/dirs.c \
	tools/group.c tools/group.h \
	tools/group_offsets.c \
	tools/input.c tools/input.h \
	tools/json_record.c tools/json_record.h \
	tools/lone_store.c tools/lone_store.h \
	tools/produce.c \
	tools/reassign.c tools/reassign_throttle.c \
	tools/show.c tools/show.h \
	tools/status.c \
	tools/store.c tools/store.h \
	tools/target.c \
	tools/tool.c tools/tool.h \
	tools/topic.c \
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

EXTRA_DIST += tests/system/tools.test tests/system/target.test tests/system/bench.test
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
check_PROGRAMS += tests/unit/tools/decode_test
TESTS += tests/unit/tools/decode_test
tests_unit_tools_decode_test_SOURCES = tests/unit/tools/decode_test.c
tests_unit_tools_decode_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
tests_unit_tools_decode_test_LDADD = tools/libskein_tools.a src/record/libskein_record.a src/wire/libskein_wire.a src/os/libskein_os.a \
	src/base/libskein_base.a $(CHECK_LIBS)
endif
