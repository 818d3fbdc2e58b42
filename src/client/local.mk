noinst_LIBRARIES += src/client/libskein_client.a
src_client_libskein_client_a_SOURCES = \
	src/client/admin.c src/client/admin.h \
	src/client/client.c src/client/client.h \
	src/client/client_api.c \
	src/client/admin.c src/client/admin.h \
	src/client/client_call.c src/client/client_call.h \
	src/client/client_io.c \
	src/client/client_metadata.c \
	src/client/client_node.c \
	src/client/client_priv.h \
	src/client/consumer.c src/client/consumer.h src/client/consumer_priv.h \
	src/client/consumer_fetch.c \
	src/client/murmur2.c src/client/murmur2.h \
	src/client/producer.c src/client/producer.h src/client/producer_priv.h \
	src/client/producer_send.c
$(src_client_libskein_client_a_OBJECTS): | $(wire_gen)
