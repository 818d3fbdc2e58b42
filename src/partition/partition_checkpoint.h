/*
 * What of the partitions is written down now and then for the next start: recovery points, log starts, high watermarks, progress marks. Read from the published
 * addresses, so no partition is asked.
 */
#ifndef SKEIN_PARTITION_CHECKPOINT_H
#define SKEIN_PARTITION_CHECKPOINT_H

#include "partition/partition.h"
#include "storage/logdir.h"

enum {	/* which files */
	CHECKPOINT_RECOVERY  = 1,	/* recovery points and log starts */
	CHECKPOINT_WATERMARK = 2,
	CHECKPOINT_MARKS     = 4,
};

/* Those of addrs that live in dir. Waits for the device. Any thread, one at a time per directory. */
enum err partition_write_checkpoints(struct logdir *dir, struct partition_addr *const *addrs, int n, unsigned what) MUST_CHECK;

#endif
