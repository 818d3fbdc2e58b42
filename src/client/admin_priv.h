/*
 * What the operations of administration are made of: an attempt makes a call, waits for it, and leaves in the operation's error what the broker said; it is repeated
 * until there is a final answer.
 */
#ifndef SKEIN_CLIENT_ADMIN_PRIV_H
#define SKEIN_CLIENT_ADMIN_PRIV_H

#include "client/admin.h"
#include "client/client_call.h"

struct operation {
	struct client       *client;
	struct client_error *error;
	mono_ms              deadline;
	int                  attempts;
	bool                 is_question;	/* changes nothing: may be asked again, whatever became of it */
};

struct operation admin_begin(struct client *c, mono_ms timeout_ms, struct client_error *error);
mono_ms admin_time_left(const struct operation *o);
/* Sends and waits. False: there is no answer; the error says why. */
bool admin_ask(struct operation *o, struct client_call *call, int32_t node_id);
void admin_answered(struct operation *o, int16_t code, const char *kind, const char *name, struct slice message);
void admin_left_out(struct operation *o);	/* the answer does not hold what was asked */
/* After an attempt: is another one to follow? Waits for the backoff. */
bool admin_again(struct operation *o);
/* Memory of a question lives in its call. */
void *admin_alloc(struct client_call *call, size_t n, size_t size);

#endif
