noinst_LIBRARIES += src/storage/libskein_storage.a
src_storage_libskein_storage_a_SOURCES = $(storage_log_files) $(storage_logdir_files)

# The log: segments, indexes, recovery.
storage_log_files = \
	src/storage/log.h

# What lies beside it: producers, epochs, aborted transactions, and the log directory.
storage_logdir_files = \
	src/storage/checkpoint.c src/storage/checkpoint.h \
	src/storage/leader_epochs.h \
	src/storage/logdir.h \
	src/storage/meta_properties.h \
	src/storage/partition_metadata.h \
	src/storage/producer_snapshot.h \
	src/storage/producer_state.h \
	src/storage/txn_index.h

EXTRA_DIST += src/storage/README.md
