noinst_LIBRARIES += src/group/libskein_group.a
src_group_libskein_group_a_SOURCES = \
	src/group/coordinator.c \
	src/group/coordinator_load.c \
	src/group/group.c src/group/group.h src/group/group_msg.h src/group/group_priv.h \
	src/group/group_members.c \
	src/group/group_records.c \
	src/group/offsets.c
$(src_group_libskein_group_a_OBJECTS): | $(wire_gen)
EXTRA_DIST += src/group/README.md
