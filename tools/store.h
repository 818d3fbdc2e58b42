/*
 * ZooKeeper for the verbs that look at a cluster's state, or write it, where no broker can be asked. Paths are those of the cluster: its chroot is put in front of them here, and is never
 * made by opening, because whoever only looks leaves no trace.
 */
#ifndef SKEIN_TOOL_STORE_H
#define SKEIN_TOOL_STORE_H

#include "base/config.h"
#include "coord/coord.h"

struct store;

/* result: as in coord.h; ERR_CONN_LOSS after half a minute of attempts only. What out and names hold lives as long as the store is open. */
struct store_op {
	enum coord_op_kind kind;	/* not COORD_CHECK */
	const char  *path;		/* "/brokers/ids" */
	struct slice data;
	int32_t      version;
	enum err     result;
	bool         was_retried;	/* so an earlier attempt may have been applied */
	struct coord_stat stat;
	struct slice out;
	struct slice *names;		/* NUL-terminated, in byte order */
	int32_t      name_count;
};

/* NULL after saying why, *code set. */
struct store *store_open(const struct broker_config *config, int *code);
void          store_close(struct store **s);
const char   *store_root(const struct store *s);	/* "/kafka"; "": none */
struct arena *store_arena(struct store *s);
/* In order; answers when all are done. */
void          store_run(struct store *s, struct store_op *ops, int count);
struct store_op store_one(struct store *s, enum coord_op_kind kind, const char *path);	/* without data, any version */

/* Makes the chroot, with null data. OK where it is there. */
enum err store_make_root(struct store *s) MUST_CHECK;

#endif
