/*
 * What the verbs of skein group share.
 */
#ifndef SKEIN_TOOL_GROUP_H
#define SKEIN_TOOL_GROUP_H

#include "client/admin_group.h"
#include "show.h"
#include "value.h"

#define GROUP_TIMEOUT_MS 60000

struct group {
	const char        *verb, *state;
	char             **names;
	int                name_count;
	struct value_start to;		/* reset: START_BEGINNING, START_END, START_OFFSET, START_TIME */
	bool               has_to, has_shift, is_current, execute, yes, dry_run, members;
	enum show_output   output;
	int64_t            shift;
	struct client     *client;
};

/* Offsets of a group, in order of topic and partition; owns the names. All zero bytes: none. */
struct group_offsets {
	struct admin_offset *items;
	int                  count, room;
};
void group_offsets_add(struct group_offsets *l, struct slice topic, int32_t partition, int64_t offset);
void group_offsets_sort(struct group_offsets *l);
void group_offsets_fini(struct group_offsets *l);
/* What the group has committed, sorted. EXIT_OK, or an exit code after saying why. */
int  group_offsets_read(struct group_offsets *l, struct client *c, const char *group);

/* exit codes; group_show.c */
int group_list(struct group *x);
int group_lag(struct group *x);
int group_describe(struct group *x);
/* group_offsets.c */
int group_reset(struct group *x);
int group_delete_offsets(struct group *x);

#endif
