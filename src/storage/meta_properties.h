/*
 * `meta.properties`: whose log directory this is. ZooKeeper mode, version 0, in the text form of
 * Java's properties.
 * Threads: any; nothing is kept.
 */
#ifndef SKEIN_STORAGE_META_PROPERTIES_H
#define SKEIN_STORAGE_META_PROPERTIES_H

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"
#include "os/os.h"

#define META_PROPERTIES_ID_MAX 64

struct meta_properties {
	int32_t broker_id;					/* -1: not in the file */
	char    cluster_id[META_PROPERTIES_ID_MAX];		/* "": not in the file */
	/* "": not in the file; kept when it is rewritten */
	char    directory_id[META_PROPERTIES_ID_MAX];
};

/* ERR_NOT_FOUND: a fresh directory. ERR_UNSUPPORTED: another version (1: KRaft). ERR_CORRUPT: no
 * version, a value that cannot be one. Unknown keys are ignored, as Java does. */
enum err meta_properties_read(struct meta_properties *m, struct os *os, const char *dir) MUST_CHECK;
/* Atomic and synced. `now` goes into the second comment line. */
enum err meta_properties_write(const struct meta_properties *m, struct os *os, const char *dir,
	time_ms now) MUST_CHECK;

enum err meta_properties_parse(struct meta_properties *m, struct slice text) MUST_CHECK;
void     meta_properties_print(const struct meta_properties *m, time_ms now, struct strbuf *out);

#endif
