noinst_LIBRARIES += src/replica/libskein_replica.a
src_replica_libskein_replica_a_SOURCES = \
	src/replica/fetcher.c src/replica/fetcher.h src/replica/fetcher_priv.h \
	src/replica/leader.c \
	src/replica/pull_fetch.c \
	src/replica/pull_truncate.c \
	src/replica/session.c src/replica/session.h \
	src/replica/throttle.c src/replica/throttle.h
$(src_replica_libskein_replica_a_OBJECTS): | $(wire_gen)
EXTRA_DIST += src/replica/README.md
