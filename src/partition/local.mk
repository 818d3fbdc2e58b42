noinst_LIBRARIES += src/partition/libskein_partition.a
src_partition_libskein_partition_a_SOURCES = \
	src/partition/partition.c src/partition/partition.h src/partition/partition_msg.h src/partition/partition_priv.h \
	src/partition/partition_append.c \
	src/partition/partition_clean.c src/partition/partition_checkpoint.c src/partition/partition_checkpoint.h \
	src/partition/partition_delete_records.c \
	src/partition/partition_flush.c \
	src/partition/partition_follow.c \
	src/partition/partition_isr.c \
	src/partition/partition_move.c \
	src/partition/partition_offsets.c \
	src/partition/partition_read.c \
	src/partition/partition_retain.c \
	src/partition/partition_role.c
EXTRA_DIST += src/partition/README.md
