noinst_LIBRARIES += src/api/libskein_api.a
src_api_libskein_api_a_SOURCES = \
	src/api/api.h \
	src/api/api_lookup.c \
	src/api/api_rows.c \
	src/api/api_world.c \
	src/api/fetch.c \
	src/api/fetch_session.c src/api/fetch_session.h \
	src/api/fetch_watch.c src/api/fetch_watch.h \
	src/api/produce.c
