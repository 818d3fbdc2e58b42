noinst_LIBRARIES += src/broker/libskein_broker.a
src_broker_libskein_broker_a_SOURCES = \
	src/broker/assembly.c src/broker/assembly.h \
	src/broker/broker.c src/broker/broker.h \
	src/broker/listeners.c src/broker/listeners.h \
	src/broker/session_keeper.c src/broker/session_keeper.h \
	src/broker/serve_config.c src/broker/serve_config.h \
	src/broker/upkeep.c src/broker/upkeep.h
src_broker_libskein_broker_a_CPPFLAGS = $(AM_CPPFLAGS) -DPACKAGE_VERSION='"$(VERSION)"'
EXTRA_DIST += src/broker/README.md
