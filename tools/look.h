/*
 * A look at a cluster: what one set of questions, asked of all brokers at the same time, tells about it at one moment. By Kafka's protocol alone.
 *
 *	look_begin(&l, client, LOOK_ENDS | LOOK_DIRS, NULL, 3000);
 *	while (!look_is_done(l)) client_step(client, 100);
 *	... read it ...
 *	look_end(&l);
 *
 * Owner:    the client's thread. Nothing is asked again: what has no answer within the time stays unknown (-1), and the broker's error says why.
 * Memory:   all of it is the look's, and lives until look_end; before that ends, the questions still under way are given up.
 */
#ifndef SKEIN_TOOL_LOOK_H
#define SKEIN_TOOL_LOOK_H

#include "base/arena.h"
#include "client/client.h"
#include "wire/gen/metadata.h"

enum look_part {
	LOOK_ENDS = 1,		/* where the log of each partition ends */
	LOOK_STARTS = 2,	/* where it begins */
	LOOK_DIRS = 4,		/* log directories, and so sizes */
	LOOK_GROUPS = 8,	/* groups and what they have committed; wants LOOK_ENDS */
	LOOK_MEMBERS = 16,	/* who is in them */
	LOOK_AGES = 32,		/* how long the first record that a group has not consumed has been there */
};

struct look_partition {
	const struct metadata_response_partition *is;
	int64_t start, end;
	int64_t bytes;		/* of the leader's replica */
	int64_t bytes_all;	/* of all replicas that were told of */
	bool    is_wanted;	/* a group stands there */
	int     asked_round;	/* for look_group.c: records were asked for, from that offset on */
	int64_t asked_from;
};

struct look_topic {
	const struct metadata_response_topic *is;
	struct slice           name;
	struct look_partition *partitions;	/* numbers ascending */
	int32_t                partition_count;
	int32_t                offline, behind;	/* partitions without a leader; with fewer in sync than replicas */
	int64_t                records;		/* by offsets, so compacted ones count; -1 when one of the partitions is unknown. ends: alike */
	int64_t                ends;
	int64_t                bytes, bytes_all;
};

struct look_broker {
	int32_t                                id;
	const struct metadata_response_broker *is;	/* NULL: it holds replicas, and is not there */
	int                                    leads, holds;
	struct client_error                    error;	/* why one of its answers is missing */
	int                                    dirs, dirs_failed;
	int64_t                                bytes, bytes_total, bytes_usable;	/* -1: not told */
};

struct look_dir {
	int32_t      broker;
	struct slice path;
	int16_t      error;
	int          replicas;
	int64_t      bytes, bytes_total, bytes_usable;
};

struct look_member {
	struct slice id, instance_id, client_id, host;
};

struct look_offset {
	struct slice              topic;
	int32_t                   partition;
	int64_t                   committed, end, lag;
	time_ms                   first_at;	/* timestamp of the first record not consumed; -1 unknown or none */
	const struct look_member *member;	/* NULL: nobody reads it */
};

struct look_group {
	struct slice        id, state, protocol_type;
	int32_t             coordinator;
	int                 members;		/* -1: not told */
	int16_t             error;
	bool                has_offsets;	/* they have been told */
	struct look_offset *offsets;		/* in order of topic and partition */
	int                 offset_count;
	int64_t             lag;		/* of all; -1 unknown */
	int64_t             age_ms;		/* of the oldest record not consumed; 0 none, -1 unknown */
};

struct look {
	struct client      *client;
	int                 parts;
	mono_ms             began, until;
	mono_ms             at;			/* when the ends were told */
	time_ms             time;		/* the same on the wall */
	struct client_error error;		/* nobody has described the cluster: nothing is known */
	struct slice        cluster_id;
	int32_t             controller;
	struct look_broker *brokers;		/* ids ascending */
	int                 broker_count;
	struct look_topic  *topics;		/* names ascending */
	int                 topic_count;
	struct look_dir    *dirs;		/* of all brokers */
	int                 dir_count;
	struct look_group **groups;		/* ids ascending */
	int                 group_count;
	int                 partition_count, offline, behind;	/* sums over topics */
	bool                has_gaps;		/* where the log of a partition with a leader begins or ends is not known */

	/* for look.c and look_group.c */
	struct arena         arena;
	struct client_call **calls;		/* all of them: answers are borrowed from */
	int                  call_count, call_room, pending;
	int                  group_room, dir_room;
	const char *const   *group_names;
	int                  group_name_count;
	const struct look   *before;
	int                  age_rounds, round;
	bool                 is_narrow, has_narrowed, is_done;
};

/* What is wanted of it, beside the parts. All zero bytes: everything. */
struct look_spec {
	int                parts;
	mono_ms            timeout_ms;
	const char *const *groups;	/* only these; borrowed until the end */
	int                group_count;
	bool               is_narrow;	/* LOOK_ENDS, LOOK_STARTS: only of partitions that these groups have to do with, asked when that is known */
	const struct look *before;	/* what it knows of ages is not asked again, nor, without LOOK_STARTS, where logs begin; borrowed until the look is done */
	int                age_rounds;	/* how often records are asked for; each asks for what the one before was not told */
};

void look_begin(struct look **out, struct client *c, const struct look_spec *spec);
bool look_is_done(struct look *l);
/* Turns the client until it is done, or the process is to stop. */
void look_wait(struct look *l);
void look_end(struct look **l);

struct look_topic     *look_topic_of(const struct look *l, struct slice name);		/* NULL: there is none */
struct look_partition *look_partition_of(const struct look_topic *t, int32_t number);
struct look_broker    *look_broker_of(const struct look *l, int32_t id);
struct look_group     *look_group_of(const struct look *l, struct slice id);
bool                   look_is_known(const struct look_broker *b);	/* it is there and has told all that was asked */
int64_t                look_age(const struct look *l, const struct look_offset *o);	/* ms; 0: nothing is left to consume; -1 unknown */
int64_t                look_sum(int64_t sum, int64_t more);	/* what is unknown (negative) counts for nothing, unless all is; never more than there are numbers */

/* Between two looks, per second; -1: not known, or less than before. */
double look_records_rate(const struct look *now, const struct look *before, const struct look_topic *t);
double look_bytes_rate(const struct look *now, const struct look *before, const struct look_topic *t);
double look_partition_rate(const struct look *now, const struct look *before, const struct look_topic *t, int32_t partition);

#endif
