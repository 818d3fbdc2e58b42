/*
 * Fetch sessions (KIP-227): what a client fetches over and over, remembered, so that it only sends
 * and gets what changed.
 *
 * Sessions belong to no connection, and so to no network actor: the cache is one table of slots for
 * the broker. A session is worked on by whoever holds its token, taken by compare and swap and held
 * for the length of one call; a second request for a session that is being worked on gets Kafka's
 * answer for a duplicate. So there is no lock, and nobody waits.
 *
 * Bounds: max.incremental.fetch.session.cache.slots sessions. A new one may take the place of one
 * that was idle for SESSION_IDLE_MS; when there is none the client simply keeps sending full
 * fetches.
 */
#ifndef SKEIN_API_FETCH_SESSION_H
#define SKEIN_API_FETCH_SESSION_H

#include "actor/actor.h"
#include "base/list.h"
#include "base/map.h"
#include "base/uuid.h"

#define SESSION_IDLE_MS 120000

struct fetch_sessions;
struct fetch_session;
struct partition_addr;

/* One partition somebody wants: an entry of a session, or of a single request. */
struct fetch_want {
	struct list  order;			/* in the order it is to be read */
	struct slice topic;			/* fetch by name; empty when by id */
	struct uuid  topic_id;			/* fetch by id; zero when by name */
	int32_t      partition;
	int32_t      max_bytes, current_leader_epoch, last_fetched_epoch;
	int64_t      fetch_offset, follower_log_start_offset;
	/* A follower's: the leader that has taken note of exactly these, without an error; NULL: none. Only compared, never followed. */
	const struct partition_addr *noted_by;
	/* what this session was told last; INT64_MIN: nothing yet */
	int64_t      told_high_watermark, told_log_start_offset;
	size_t       key_len;
	/* name or id, then the partition, big endian: unique in a session */
	uint8_t      key[];
};

struct fetch_session {
	int32_t     id;				/* positive */
	int32_t     next_epoch;
	bool        uses_ids;
	bool        is_follower;
	mono_ms     used;			/* last time */
	struct list order;			/* fetch_want */
	struct map  wants;			/* by key */
};

struct fetch_sessions *fetch_sessions_create(struct os *os, int32_t slots);
/* no token may be held */
void                   fetch_sessions_destroy(struct fetch_sessions **s);

/*
 * Takes the token. NULL: no such session (E(70)), or *is_busy: somebody else works on it (E(71)).
 */
struct fetch_session  *fetch_session_take(struct fetch_sessions *s, int32_t id, bool *is_busy);
/*
 * A new session, token taken, next_epoch 1. NULL: the cache is full. Followers may push consumers
 * out.
 */
struct fetch_session  *fetch_session_create(struct fetch_sessions *s, bool uses_ids,
                                            bool is_follower, mono_ms now);
void                   fetch_session_give(struct fetch_sessions *s, struct fetch_session *session,
                                          mono_ms now);
/* Token held; frees it. */
void fetch_session_remove(struct fetch_sessions *s, struct fetch_session *session);

/* The entry of this partition, made at the end of the order when it is not there (*is_new). */
struct fetch_want     *fetch_session_want(struct fetch_session *session, struct slice topic,
                                          struct uuid id, int32_t partition, bool *is_new);
void                   fetch_session_forget(struct fetch_session *session, struct slice topic,
                                            struct uuid id, int32_t partition);

/* Room an entry needs, and its key, for entries outside a session. */
size_t fetch_want_size(struct slice topic, struct uuid id);
/* topic: borrowed from the key part */
void   fetch_want_init(struct fetch_want *w, struct slice topic, struct uuid id, int32_t partition);

struct fetch_session_counts { uint64_t sessions, partitions, evictions; };
/* any thread, approximate */
void fetch_sessions_count(const struct fetch_sessions *s, struct fetch_session_counts *out);

#endif
