/*
 * What look.c and look_group.c share: calls of a look.
 */
#ifndef SKEIN_TOOL_LOOK_PRIV_H
#define SKEIN_TOOL_LOOK_PRIV_H

#include "client/client_call.h"
#include "look.h"

#define LOOK_BYTES_MAX (512u << 20)	/* of what a look holds, beside the answers themselves */

/* Made for this look; its on_done calls look_came_home first. */
struct client_call *look_call(struct look *l, enum api_key key, void (*on_done)(struct client_call *call));
void look_send(struct look *l, struct client_call *call, int32_t node_id);
/* Counts it; false: it has failed, and its broker has the error. */
bool look_came_home(struct client_call *call);
/* Zeroed, of the look's arena. */
void *look_alloc(struct look *l, size_t n, size_t size);
void *call_alloc(struct client_call *call, size_t n, size_t size);

/* ---- look_group.c ---- */
void look_ask_groups(struct look *l, int32_t broker);
/* Says of the partitions that groups have to do with that they are wanted. */
void look_want_partitions(struct look *l);
/* All answers about logs and offsets are there: lag and age of each. True: records have been asked for, it goes on. */
bool look_weigh_groups(struct look *l);

#endif
