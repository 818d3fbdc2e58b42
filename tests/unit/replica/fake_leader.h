/*
 * A leader for tests of the fetchers, on a simulated machine: logs in memory with leader epochs, fetch sessions and long polls as Kafka serves them (replication.md of the
 * protocol's facts: a full answer names all, an incremental one only news). It checks what it is asked and misbehaves when told.
 */
#ifndef SKEIN_TEST_FAKE_LEADER_H
#define SKEIN_TEST_FAKE_LEADER_H

#include "base/strbuf.h"
#include "base/uuid.h"
#include "os/sim.h"

#define LEADER_PORT        9092
#define LEADER_LOGS        4
#define LEADER_EPOCHS      16
#define LEADER_CONNECTIONS 16

struct leader_connection;

struct leader_log {
	const char   *topic;
	struct uuid   topic_id;
	int32_t       partition;
	struct strbuf bytes;		/* batches from start to end */
	int64_t       start, end, high_watermark;
	int32_t       leader_epoch;
	struct { int32_t epoch; int64_t start; } epochs[LEADER_EPOCHS];
	int           epoch_count;
	int16_t       error;		/* answered to everything about it; NONE */
	bool          is_diverging_always;	/* nonsense: says so whatever it is asked */
	/* the session's memory of the follower */
	bool          is_in_session;
	int64_t       fetch_offset, told_high_watermark, told_start;
	int32_t       asked_epoch, last_fetched_epoch, max_bytes;
	int           asked;		/* how many Fetches covered it */
};

enum leader_trick {
	TRICK_NONE,
	TRICK_CUT,			/* the connection ends instead of an answer */
	TRICK_CUT_MIDWAY,		/* half an answer, then the end */
	TRICK_SHORT,			/* a frame that is shorter than its content says */
	TRICK_EXTRA_PARTITION,		/* one that nobody asked for */
	TRICK_MISSING_PARTITION,	/* a full answer without its first */
	TRICK_TWICE,			/* the first partition named twice */
	TRICK_DAMAGED_BATCH,		/* a byte of the records flipped */
	TRICK_HALF_BATCH,		/* the records end within the first batch */
	TRICK_NO_HIGH_WATERMARK,	/* -1 */
	TRICK_MUTE,			/* no answer, ever, on this connection */
};

struct fake_leader {
	struct sim_os     *machine;
	struct os         *os;
	const char        *host;
	os_fd              listener;
	struct leader_connection *connections[LEADER_CONNECTIONS];
	struct leader_log  logs[LEADER_LOGS];
	int                log_count;
	bool               has_sessions;
	int32_t            session_id, session_epoch;	/* of the one session; id 0: none */
	int16_t            session_error;	/* answered once to the next Fetch */
	enum leader_trick  trick;		/* of the next Fetches */
	int                tricks_left;
	/* what was asked */
	int                fetches, full_fetches, forgotten, epoch_questions, offset_questions, accepted;
	int16_t            fetch_version, epoch_version, offset_version;
	int64_t            replica_epoch;
	int32_t            replica_id;
	char               client_id[64];
	int                fetched_partitions;	/* named in the last Fetch */
	struct strbuf      last_frame;		/* of whatever was asked last */
};

struct fake_leader *fake_leader_create(struct sim_net *net, const char *host, uint64_t seed);
void    fake_leader_destroy(struct fake_leader **l);
void    fake_leader_step(struct fake_leader *l);
mono_ms fake_leader_next(const struct fake_leader *l);	/* when a long poll ends; MONO_NEVER */
void    fake_leader_cut_all(struct fake_leader *l);

struct leader_log *fake_leader_add(struct fake_leader *l, const char *topic, struct uuid topic_id, int32_t partition);
void    leader_log_lead(struct leader_log *log, int32_t epoch);		/* a new epoch, from the end on */
void    leader_log_append(struct leader_log *log, int records);		/* one batch, committed at once */
void    leader_log_cut(struct leader_log *log, int64_t to);
void    leader_log_raise_start(struct leader_log *log, int64_t to);	/* to a batch's base */
/* The bytes from the batch that holds the offset. */
struct slice leader_log_from(const struct leader_log *log, int64_t offset);
/* The same records and epochs as another has. */
void    leader_log_copy(struct leader_log *to, const struct leader_log *from);

#endif
