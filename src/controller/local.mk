noinst_LIBRARIES += src/controller/libskein_controller.a
src_controller_libskein_controller_a_SOURCES = \
	src/controller/assignment.c src/controller/assignment.h \
	src/controller/controller.c src/controller/controller.h src/controller/controller_msg.h src/controller/controller_priv.h \
	src/controller/controller_admin.c \
	src/controller/controller_config.c \
	src/controller/controller_picture.c \
	src/controller/controller_replicas.c \
	src/controller/controller_start.c \
	src/controller/controller_stop.c \
	src/controller/controller_task.c \
	src/controller/controller_topics.c \
	src/controller/znode.c src/controller/znode.h
EXTRA_DIST += src/controller/README.md
