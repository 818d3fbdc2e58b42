/*
 * Open segment files: counted, and at most a few per log. The counting part is in log.h, because
 * readers hold references.
 *
 * A process has far fewer descriptors than thousands of partitions have files. A file that was
 * opened when more than its share of them was taken (os_fd_percent) is *spare*: it is closed at the
 * end of the owner's turn. An index is written once in 4 KiB of batches, so its share is small; what
 * is above the share of logs is left to sockets, and to whoever opens a file for a moment.
 *
 * Owner:     the log; ref, unref, fd and generation may be called by any thread.
 * Memory:    one small struct per open file, freed with the last reference.
 * Invariant: a file that somebody beside the log holds is never closed to make room, so that as
 *            long as a reader holds a file, a truncation
 *            reaches the very struct whose generation the reader compares.
 */
#ifndef SKEIN_STORAGE_LOG_FILE_H
#define SKEIN_STORAGE_LOG_FILE_H

#include "base/list.h"
#include "storage/log.h"

struct log_file {
	struct list  link;		/* in file_cache.open while the log keeps it; owner
					 * thread */
	struct log_file **place;	/* where the log remembers it: cleared when it is closed to
					 * make room */
	struct os   *os;
	os_fd        fd;
	uint32_t     refs;		/* atomic */
	uint32_t     generation;	/* atomic; written by the owner */
	bool         is_spare;
};

#define LOG_FDS_PERCENT   75	/* shares */
#define INDEX_FDS_PERCENT 25

struct file_cache {
	struct os  *os;
	struct list open;		/* most recently used first */
	int         count;
	bool        has_spare;
};

void file_cache_init(struct file_cache *c, struct os *os);
/* *place, opened with the flags if it is NULL, and then spare when more than so much per cent of the
 * descriptors is taken. The reference is the cache's: take one's own to keep it beyond the next call. */
enum err file_cache_get(struct file_cache *c, struct log_file **place, const char *path,
	int flags, int share_percent) MUST_CHECK;
/* the cache's reference; NULL is ignored */
void     file_cache_drop(struct file_cache *c, struct log_file **place);
/* closes unheld ones, least recently used first */
void     file_cache_drop_idle(struct file_cache *c, int keep);
/* closes unheld ones that are spare; true: held ones are left */
bool     file_cache_drop_spare(struct file_cache *c);

/* Before bytes of the file are cut off or change their meaning. */
void     log_file_bump_generation(struct log_file *f);

#endif
