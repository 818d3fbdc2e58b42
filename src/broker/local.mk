noinst_LIBRARIES += src/broker/libskein_broker.a
src_broker_libskein_broker_a_SOURCES = \
	src/broker/assembly.c src/broker/assembly.h \
	src/broker/broker.c src/broker/broker.h \
	src/broker/limits.c src/broker/limits.h \
	src/broker/listeners.c src/broker/listeners.h \
	src/broker/reload.c src/broker/reload.h \
	src/broker/session_keeper.c src/broker/session_keeper.h \
	src/broker/serve_config.c src/broker/serve_config.h \
	src/broker/upkeep.c src/broker/upkeep.h \
	src/broker/watch.c src/broker/watch.h
src_broker_libskein_broker_a_CPPFLAGS = $(AM_CPPFLAGS) -DPACKAGE_VERSION='"$(VERSION)"'
EXTRA_DIST += src/broker/README.md

if HAVE_CHECK
check_PROGRAMS += tests/unit/broker/limits_test
TESTS += tests/unit/broker/limits_test
tests_unit_broker_limits_test_SOURCES = tests/unit/broker/limits_test.c
tests_unit_broker_limits_test_LDADD = src/broker/libskein_broker.a src/base/libskein_base.a $(CHECK_LIBS)
endif
