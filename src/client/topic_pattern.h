/*
 * The topics whose names match an expression, kept up to date: all of the cluster's are asked for every so often, one question at a time, and trouble is waited out.
 *
 *	topic_pattern_create(&p, client, expressions, count, false, 300000, why);
 *	for (;;) {
 *		client_step(client, 100);
 *		if (topic_pattern_changed(p))
 *			group_member_subscribe(member, topic_pattern_names(p), topic_pattern_count(p));
 *	}
 *
 * Names:  whole ones, by POSIX extended expressions; what any of several matches. Topics that the brokers keep for themselves only if they are wanted.
 * Owner:  the client's thread.
 */
#ifndef SKEIN_CLIENT_TOPIC_PATTERN_H
#define SKEIN_CLIENT_TOPIC_PATTERN_H

#include "client/client.h"

struct topic_pattern;

/* ERR_INVALID: an expression that is none; why says which, and what is wrong with it. every_ms > 0. The first question goes out with the next turn. */
enum err topic_pattern_create(struct topic_pattern **out, struct client *c, const char *const *expressions, int count, bool with_internal, mono_ms every_ms,
			      char why[200]) MUST_CHECK;
void topic_pattern_destroy(struct topic_pattern **p);	/* before its client */

/* Has the list changed since this was asked last? The first answer is a change, whatever it says. */
bool topic_pattern_changed(struct topic_pattern *p);
/* By name. They live as long as the client, the array until the next turn. */
const char *const *topic_pattern_names(const struct topic_pattern *p);
int32_t topic_pattern_count(const struct topic_pattern *p);

#endif
