/*
 * ZooKeeper for a command: whoever asks waits for the answers. It has an actor of its own, which is home to the calls.
 *
 * Owner:  one thread, which is no actor's.
 * Errors: those of the calls. After ERR_EXPIRED every further call gets it: what a command has begun is for its next run to finish.
 */
#ifndef SKEIN_COORD_WAITING_H
#define SKEIN_COORD_WAITING_H

#include "coord/coord.h"

struct coord_waiting;

/* Waits for the first connection, as coord_open_zookeeper does; problem: a sentence. */
enum err coord_waiting_open(struct coord_waiting **out, struct os *os, const struct coord_zookeeper_spec *spec, char *problem, size_t problem_size) MUST_CHECK;
void     coord_waiting_close(struct coord_waiting **w);

/* Its home is the store's actor; ops and what they point to live until coord_waiting_run has returned. */
void     coord_waiting_call_init(struct coord_waiting *w, struct coord_call *call, struct coord_op *ops, int op_count);
/* Submits the calls in order and returns when all are home. */
void     coord_waiting_run(struct coord_waiting *w, struct coord_call *calls, int count);

#endif
