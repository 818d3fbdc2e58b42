noinst_LIBRARIES += src/client/libskein_client.a
src_client_libskein_client_a_SOURCES = \
	src/client/admin.c src/client/admin_config.c src/client/admin.h src/client/admin_priv.h \
	src/client/admin_group.c src/client/admin_group.h \
	src/client/channel.c src/client/channel.h \
	src/client/client.c src/client/client.h \
	src/client/client_api.c \
	src/client/client_call.c src/client/client_call.h \
	src/client/client_io.c \
	src/client/client_metadata.c \
	src/client/client_node.c \
	src/client/client_priv.h \
	src/client/consumer.c src/client/consumer.h src/client/consumer_priv.h \
	src/client/consumer_fetch.c \
	src/client/assign.c src/client/assign.h \
	src/client/group_lead.c src/client/group_priv.h \
	src/client/group_member.c src/client/group_member.h \
	src/client/murmur2.c src/client/murmur2.h \
	src/client/producer.c src/client/producer.h src/client/producer_priv.h \
	src/client/producer_send.c src/client/producer_split.c \
	src/client/topic_pattern.c src/client/topic_pattern.h
$(src_client_libskein_client_a_OBJECTS): | $(wire_gen)

EXTRA_DIST += src/client/README.md tests/golden/client
if HAVE_CHECK
client_test_ldadd = src/client/libskein_client.a src/record/libskein_record.a src/wire/libskein_wire.a src/os/libskein_os.a \
	src/base/libskein_base.a $(CHECK_LIBS)
client_rig = tests/unit/client/fake_broker.c tests/unit/client/fake_broker.h tests/unit/client/rig.h

check_PROGRAMS += tests/unit/client/murmur2_test
TESTS += tests/unit/client/murmur2_test
tests_unit_client_murmur2_test_SOURCES = tests/unit/client/murmur2_test.c
tests_unit_client_murmur2_test_LDADD = $(client_test_ldadd)

check_PROGRAMS += tests/unit/client/assign_test
TESTS += tests/unit/client/assign_test
tests_unit_client_assign_test_SOURCES = tests/unit/client/assign_test.c
tests_unit_client_assign_test_LDADD = $(client_test_ldadd)

check_PROGRAMS += tests/unit/client/client_test
TESTS += tests/unit/client/client_test
tests_unit_client_client_test_SOURCES = tests/unit/client/client_test.c $(client_rig)
tests_unit_client_client_test_LDADD = $(client_test_ldadd)

check_PROGRAMS += tests/unit/client/producer_test
TESTS += tests/unit/client/producer_test
tests_unit_client_producer_test_SOURCES = tests/unit/client/producer_test.c $(client_rig)
tests_unit_client_producer_test_LDADD = $(client_test_ldadd)

check_PROGRAMS += tests/unit/client/consumer_test
TESTS += tests/unit/client/consumer_test
tests_unit_client_consumer_test_SOURCES = tests/unit/client/consumer_test.c $(client_rig)
tests_unit_client_consumer_test_LDADD = $(client_test_ldadd)

check_PROGRAMS += tests/unit/client/threads_test
TESTS += tests/unit/client/threads_test
tests_unit_client_threads_test_SOURCES = tests/unit/client/threads_test.c $(client_rig)
tests_unit_client_threads_test_LDADD = $(client_test_ldadd)

check_PROGRAMS += tests/unit/client/hostile_test
TESTS += tests/unit/client/hostile_test
tests_unit_client_hostile_test_SOURCES = tests/unit/client/hostile_test.c tests/unit/client/hostile.h $(client_rig)
tests_unit_client_hostile_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests
tests_unit_client_hostile_test_LDADD = tests/unit/wire/libcodec_list.a $(client_test_ldadd)
$(tests_unit_client_hostile_test_OBJECTS): | $(wire_gen)

check_PROGRAMS += tests/unit/client/channel_test
TESTS += tests/unit/client/channel_test
tests_unit_client_channel_test_SOURCES = tests/unit/client/channel_test.c
tests_unit_client_channel_test_LDADD = src/client/libskein_client.a src/record/libskein_record.a src/wire/libskein_wire.a \
	src/actor/libskein_actor.a src/os/libskein_os.a src/base/libskein_base.a $(CHECK_LIBS)
$(tests_unit_client_channel_test_OBJECTS): | $(wire_gen)
endif
