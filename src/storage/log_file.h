/*
 * Open segment files: counted, and at most a few per log. The counting part is in log.h, because
 * readers hold references.
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
};

struct file_cache {
	struct os  *os;
	struct list open;		/* most recently used first */
	int         count;
};

void file_cache_init(struct file_cache *c, struct os *os);
/* *place, opened with the flags if it is NULL. The reference is the cache's: take one's own to keep
 * it beyond the next call. */
enum err file_cache_get(struct file_cache *c, struct log_file **place, const char *path,
	int flags) MUST_CHECK;
/* the cache's reference; NULL is ignored */
void     file_cache_drop(struct file_cache *c, struct log_file **place);
/* closes unheld ones, least recently used first */
void     file_cache_drop_idle(struct file_cache *c, int keep);

/* Before bytes of the file are cut off or change their meaning. */
void     log_file_bump_generation(struct log_file *f);

#endif
