/*
 * What of the partitions is written down now and then for the next start: recovery points, log starts, high watermarks, dirty offsets, progress marks. Read from the published
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
	CHECKPOINT_STARTS    = 8,	/* log starts alone */
	CHECKPOINT_CLEANER   = 16,
};

/* Those of addrs that live in dir. Waits for the device. Any thread, one at a time per directory. */
enum err partition_write_checkpoints(struct logdir *dir, struct partition_addr *const *addrs, int n, unsigned what) MUST_CHECK;
/*
 * After an unclean start, before the first append: a log may have been cut below the recovery point that the directory still names, and what is appended from now on
 * up to it must not be taken for synced after the next crash. Writes the recovery points; on a full disk, where they cannot be written and one of them is untrue, removes
 * the file, whose absence claims nothing (and costs a scan, should there be a power cut before it is written again). ERR_NO_SPACE: the old one stands, and is true.
 * Between logdir_load and logdir_forget.
 */
enum err partition_settle_recovery_points(struct logdir *dir, struct partition_addr *const *addrs, int n) MUST_CHECK;

#endif
