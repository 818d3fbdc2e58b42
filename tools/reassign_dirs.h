/*
 * Moves between the log directories of one broker, for skein cluster reassign: no broker lists them among its reassignments, so each is asked what lies where.
 */
#ifndef SKEIN_TOOL_REASSIGN_DIRS_H
#define SKEIN_TOOL_REASSIGN_DIRS_H

#include "client/admin.h"
#include "show.h"

struct replica_place {
	int32_t      broker, partition;
	struct slice topic, dir;
	bool         is_future;		/* it is on its way there, and lies elsewhere */
	int64_t      lag;		/* records to go */
};

/* What all brokers tell. All zero bytes: nothing. */
struct all_dirs {
	struct client_call  **answers;	/* hold the names */
	int                   answer_count, silent_count;	/* brokers that have told, and that have not */
	struct replica_place *places;
	int                   count, room;
};

/* Asks every broker that the Metadata name. One that does not tell is left out, with a sentence. */
void all_dirs_ask(struct all_dirs *a, struct client *c, const struct metadata_response *m);
void all_dirs_fini(struct all_dirs *a);

/* How many replicas move. out: NULL, or a line for each is added. */
int all_dirs_moving(const struct all_dirs *a, bool ndjson, struct strbuf *out);

/* Each replica of the plan's partition that shall lie in a certain directory does. *moves: one is on its way there. */
bool all_dirs_are_as_planned(const struct all_dirs *a, const struct admin_partition *p, bool *moves);

/* Ends moves, of these partitions or of all (count 0): each replica is told to stay where it is. How many were ended; *code: EXIT_OK, or of what could not be, or is not known, after saying so. */
int all_dirs_cancel(const struct all_dirs *a, struct client *c, const struct admin_partition *partitions, int count, int *code);

#endif
