/*
 * The follower's side of a fetch session with one leader (KIP-227): what the leader remembers of our last requests, so that only changes are sent.
 *
 * One Fetch is built at a time: session_begin, session_want for each partition, session_end; then exactly one of session_answered and session_failed.
 * Owner: the fetcher whose leader it is. Bounds: one entry per partition pulled from this leader.
 */
#ifndef SKEIN_REPLICA_SESSION_H
#define SKEIN_REPLICA_SESSION_H

#include "base/map.h"
#include "wire/gen/fetch.h"

struct pull;

struct session_entry {
	struct pull *pull;		/* NULL: it has left since; to be forgotten with the next request */
	struct uuid  topic_id;
	struct fetch_request_partition told;	/* as the leader knows it */
	uint32_t     wanted_in;		/* the last request that asked for it */
	uint32_t     answered_in;	/* the last answer that named it */
	bool         is_to_be_sent;
	uint16_t     key_len;
	uint8_t      key[];		/* topic id or name, then the partition: what the session knows it by */
};

struct session {
	int32_t    id, epoch;		/* of the next request; (0, 0) full, asks for a session; (id, 0) gives the old one up for a new one */
	bool       has_ids;		/* topics are named by their ids */
	uint32_t   number;		/* of the request being built or under way */
	struct map entries;		/* by key, in the order in which they were added */
};

void session_init(struct session *s);
void session_fini(struct session *s);
void session_reset(struct session *s);		/* a new leader process: nothing is known there */

void session_begin(struct session *s, bool has_ids);
/* told: the partition's part of the request. Ties pull->entry, until session_leave or a request that does not want it. */
void session_want(struct session *s, struct pull *pull, const char *topic, struct uuid topic_id, const struct fetch_request_partition *told);
/* Fills session, topics and forgotten topics in; memory: the arena's, and the entries' until the request is home. False: the arena's limit. */
bool session_end(struct session *s, struct fetch_request *q, struct arena *arena) MUST_CHECK;
void session_leave(struct pull *pull);

/* The entry of a partition in the answer; NULL: not in the session. */
struct session_entry *session_find(struct session *s, const struct fetch_response_response *topic, int32_t partition);
/*
 * Is this an answer to the request that is under way? A full one names every partition that was asked for and no other, an incremental one none but those of the session. False:
 * not, or its error is the session's; the session begins anew. Only after true may the answer's parts be used.
 */
bool session_answered(struct session *s, const struct fetch_response *m) MUST_CHECK;
void session_failed(struct session *s);		/* no answer */

#endif
