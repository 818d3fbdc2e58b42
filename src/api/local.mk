noinst_LIBRARIES += src/api/libskein_api.a
src_api_libskein_api_a_SOURCES = \
	src/api/api.h \
	src/api/api_lookup.c \
	src/api/api_rows.c \
	src/api/api_versions.c \
	src/api/api_world.c \
	src/api/broker_loggers.c src/api/broker_loggers.h \
	src/api/broker_view.c src/api/broker_view.h \
	src/api/config_resource.c src/api/config_resource.h \
	src/api/create_partitions.c \
	src/api/create_topics.c \
	src/api/delete_topics.c \
	src/api/describe_cluster.c \
	src/api/describe_configs.c \
	src/api/fetch.c \
	src/api/fetch_session.c src/api/fetch_session.h \
	src/api/fetch_watch.c src/api/fetch_watch.h \
	src/api/find_coordinator.c \
	src/api/incremental_alter_configs.c \
	src/api/init_producer_id.c \
	src/api/list_offsets.c \
	src/api/metadata.c \
	src/api/offset_for_leader_epoch.c \
	src/api/produce.c
$(src_api_libskein_api_a_OBJECTS): | $(wire_gen)
EXTRA_DIST += src/api/README.md
