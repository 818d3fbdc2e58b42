/*
 * The shape of a log directory, for the files that look inside: life and checkpoints (logdir.c),
 * progress marks (logdir_marks.c).
 */
#ifndef SKEIN_STORAGE_LOGDIR_PRIV_H
#define SKEIN_STORAGE_LOGDIR_PRIV_H

#include "base/map.h"
#include "storage/logdir.h"

#define LOGDIR_PATH_MAX 768	/* leaves room for the names below it in a path of 1 KiB */

struct logdir {
	struct os              *os;
	struct log_source       log;
	char                   *path;
	os_fd                   lock;
	struct meta_properties  meta;
	bool                    has_meta, had_clean_shutdown;
	bool                    has_page_cache;	/* marks of this kernel were found */
	bool                    has_marks;	/* of whatever kernel, whole or torn */
	uint32_t                is_offline;	/* atomic; 0 -> 1 once, any thread */
	uint64_t                seen_total, seen_usable;	/* bytes; atomic each */
	/* Topic and partition -> struct known, from load to forget */
	struct map              known;
};

struct known {
	struct logdir_known facts;
	size_t  key_len;
	uint8_t key[];		/* the topic, then the partition as 4 bytes */
};

/* "<path>/<name>"; as path is bounded and name is ours, it always fits. */
#define LOGDIR_FILE_MAX (LOGDIR_PATH_MAX + LOGDIR_NAME_MAX + 2)
void logdir_file(const struct logdir *d, const char *name, char out[LOGDIR_FILE_MAX]);
/* The record of a partition, created when it is the first that is said of it; NULL for a name no
 * topic has. */
struct logdir_known *logdir_known_put(struct logdir *d, struct slice topic, int32_t partition);
/* Marks of a running kernel into d->known; anything wrong: none. */
enum err logdir_load_marks(struct logdir *d);
enum err logdir_remove_marks(struct logdir *d);

#endif
