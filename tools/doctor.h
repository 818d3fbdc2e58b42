/*
 * skein check: what its parts share. One struct per log directory, which holds its lock while it is looked at: no broker can start on it meanwhile.
 */
#ifndef SKEIN_TOOL_DOCTOR_H
#define SKEIN_TOOL_DOCTOR_H

#include "log.h"
#include "storage/inspect.h"
#include "storage/logdir.h"

enum doctor_plan {
	PLAN_NOTHING,
	PLAN_RECOVER,		/* recovery from the batches: indexes, epochs, a torn end */
	PLAN_REFUSE,		/* it is damaged, and repairing it would lose what can be read, or is not possible */
};

struct doctor_partition {
	struct logdir_entry   at;
	char                 *path;
	struct inspect_result result;
	int64_t               checkpoints[LOGDIR_CHECKPOINTS];	/* -1: no entry */
	char                **aside;		/* names of files that go out of the way */
	int                   aside_count;
	enum doctor_plan      plan;
};

struct doctor_line {		/* of a checkpoint */
	char    topic[LOGDIR_NAME_MAX + 1];
	int32_t partition;
	int64_t offset;
	bool    is_dropped;
};

struct doctor_checkpoint {
	struct doctor_line *lines;
	int                 count, room;
	bool                is_damaged, is_changed;	/* it has to be written anew */
};

struct doctor_dir {
	const char              *path;
	os_fd                    lock;		/* -1: there is no file to lock */
	bool                     was_clean, has_meta;
	struct meta_properties   meta;
	struct doctor_partition *partitions;
	int                      count, room, topics;
	int64_t                  bytes;
	struct doctor_checkpoint checkpoints[LOGDIR_CHECKPOINTS];
};

struct doctor {
	const struct log_options *o;
	struct decompressor      *stream;
	struct doctor_dir        *dirs;
	int                       count;
	struct strbuf             out;
	int                       damage, notes;
	struct log_progress       progress;
	struct doctor_dir        *dir;		/* the one at work ... */
	struct doctor_partition  *partition;	/* ... and its partition; NULL */
};

/* Prints a finding, of the partition at work or of the directory, and counts it. */
void doctor_tell(struct doctor *d, const struct inspect_finding *f);
#define DOCTOR_SAY(d, ...) doctor_tell((d), &(struct inspect_finding){ __VA_ARGS__ })

/* doctor_dir.c */
void doctor_look(struct doctor *d);		/* at everything in d->dir, which is locked */
void doctor_compare_dirs(struct doctor *d);	/* with one another */
struct doctor_line *doctor_line_of(struct doctor_checkpoint *c, const struct logdir_entry *e);	/* NULL: it has none */

/* doctor_repair.c */
/* What a repair would do with the directory, or cannot: calls say() per thing. The number of things that it would do. */
int  doctor_plan(const struct doctor_dir *dir, void (*say)(void *arg, const char *path, const char *text), void *arg);
/* Does it. False: something could not be done, said. */
bool doctor_repair(struct doctor_dir *dir) MUST_CHECK;

#endif
