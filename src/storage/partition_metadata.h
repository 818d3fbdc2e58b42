/*
 * `partition.metadata`: the id of the topic that a partition directory belongs to. 43 bytes,
 * written before the first record.
 * Threads: any; nothing is kept.
 */
#ifndef SKEIN_STORAGE_PARTITION_METADATA_H
#define SKEIN_STORAGE_PARTITION_METADATA_H

#include "base/err.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "os/os.h"

#define PARTITION_METADATA_SIZE 43

/* ERR_NOT_FOUND: the topic id is not known yet. ERR_CORRUPT: another version, not an id, or the
 * zero id. */
enum err partition_metadata_read(struct uuid *topic_id, struct os *os, const char *dir) MUST_CHECK;
/* Atomic and synced: waits for the device, so a worker runs it; until then first appends wait. */
enum err partition_metadata_write(struct uuid topic_id, struct os *os, const char *dir) MUST_CHECK;

enum err partition_metadata_parse(struct uuid *topic_id, struct slice text) MUST_CHECK;
void     partition_metadata_print(struct uuid topic_id, char out[PARTITION_METADATA_SIZE + 1]);

#endif
