/*
 * skein bench groups: many members of one group, each with a connection of its own, on one thread: until all have been assigned, and until all that stay know that one has left.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/group_member.h"
#include "peers.h"

#define WAIT_MS  180000
#define QUIET_MS 200		/* when nobody has heard anything for so long, a rebalance is over */
#define HEARTBEAT_MS 500	/* by which the others hear of it */

struct bench_member {
	struct group_member *member;	/* NULL: it has left */
	int32_t              assigned;
	int64_t              joins;	/* how often it was told what it has */
};

struct group_run {
	struct bench        *b;
	struct peers         peers;
	struct bench_member *members;
	int                  count;
	mono_ns              last;	/* when anybody was told anything */
};

static bool hear(struct group_run *g, struct bench_member *m)
{
	struct group_event e;
	struct group_partition read[1];

	while (m->member != NULL && group_member_next(m->member, &e)) {
		switch (e.kind) {
		case GROUP_ASSIGNED:
			m->assigned += e.count;
			m->joins++;
			g->last = os_mono_ns(os_real());
			break;
		case GROUP_REVOKED:
		case GROUP_LOST:
			m->assigned = e.kind == GROUP_LOST ? 0 : m->assigned - e.count;
			if (e.kind == GROUP_REVOKED)
				group_member_release(m->member, read, 0);
			break;
		case GROUP_TROUBLE:
			break;
		case GROUP_FAILED:
			g->b->code = tool_fail(e.error);
			return false;
		}
	}
	return true;
}

static int64_t assigned(const struct group_run *g)
{
	int64_t sum = 0;

	for (int i = 0; i < g->count; i++)
		sum += g->members[i].member != NULL ? g->members[i].assigned : 0;
	return sum;
}

/* Until all partitions are somebody's, everybody that is there has been told so often at least, and nobody hears more. False: b->code. */
static bool wait_until_settled(struct group_run *g, const int64_t *joins_before)
{
	mono_ms deadline = os_mono_ms(os_real()) + WAIT_MS;
	int told = 0;

	for (;;) {
		peers_turn(&g->peers, MONO_NEVER, true);
		told = 0;
		for (int i = 0; i < g->count; i++) {
			if (!hear(g, &g->members[i]))
				return false;
			told += g->members[i].member == NULL || g->members[i].joins > joins_before[i];
			g->peers.peers[i].is_ready = true;
		}
		bench_progress("%d of %d members know what is theirs", told, g->count);
		if (told == g->count && assigned(g) == g->b->partitions && os_mono_ns(os_real()) - g->last > QUIET_MS * INT64_C(1000000))
			break;
		if (tool_is_stopped() || os_mono_ms(os_real()) >= deadline) {
			tool_say("%d of %d members know what is theirs", told, g->count);
			g->b->code = EXIT_TIMED_OUT;
			return false;
		}
	}
	bench_progress("%s", "");
	return true;
}

static bool connect_all(struct group_run *g)
{
	for (int i = 0; i < g->b->members; i++) {
		struct peer *p = peers_add(&g->peers, &g->b->code);
		if (p == NULL)
			return false;
		(void)client_topic(p->client, slice_str(g->b->topic));	/* asked for by all of them before anybody waits */
	}
	return true;
}

/* Whoever leads the group assigns what he knows. */
static bool know_topic(struct group_run *g)
{
	for (int i = 0; i < g->b->members; i++)
		if (bench_topic(g->b, g->peers.peers[i].client, g->b->topic) == NULL)
			return false;
	return true;
}

/* All of them at once. */
static void join_all(struct group_run *g)
{
	struct group_member_spec spec = GROUP_MEMBER_SPEC_INIT;
	const char *topic = g->b->topic;
	char group[64];

	snprintf(group, sizeof(group), "skein-bench-%d-%08x", (int)getpid(), (unsigned)os_random_u64(os_real()));
	spec.group = group;
	spec.topics = &topic;
	spec.topic_count = 1;
	spec.heartbeat_interval_ms = HEARTBEAT_MS;
	for (; g->count < g->b->members; g->count++)
		group_member_create(&g->members[g->count].member, g->peers.peers[g->count].client, &spec);
}

/* The first goes; its word reaches the coordinator before this returns. */
static bool leave(struct group_run *g)
{
	struct client_error error;

	if (group_member_leave(g->members[0].member, NULL, 0, WAIT_MS, &error) != OK) {
		g->b->code = tool_fail(&error);
		return false;
	}
	group_member_destroy(&g->members[0].member);
	return true;
}

static void join_and_leave(struct group_run *g)
{
	struct bench *b = g->b;
	int64_t *joins = mem_calloc((size_t)b->members, sizeof(*joins));
	mono_ns began = os_mono_ns(os_real());

	join_all(g);
	if (wait_until_settled(g, joins)) {
		bench_number(b, "join_s", (double)(g->last - began) / 1e9, 4);
		for (int i = 0; i < g->count; i++)
			joins[i] = g->members[i].joins;
		began = os_mono_ns(os_real());
		if (leave(g) && wait_until_settled(g, joins))
			bench_number(b, "leave_s", (double)(g->last - began) / 1e9, 4);
	}
	free(joins);
}

static void run(struct group_run *g)
{
	mono_ns began = os_mono_ns(os_real());

	if (!connect_all(g))
		return;
	bench_number(g->b, "connect_s", (double)(os_mono_ns(os_real()) - began) / 1e9, 4);
	if (know_topic(g))
		join_and_leave(g);
}

int bench_groups(struct bench *b)
{
	struct group_run g = { .b = b, .peers = PEERS_INIT };

	b->partitions = MAX(b->partitions, b->members);
	if (!bench_connect(b))
		return b->code;
	if (peers_init(&g.peers, b->members) != OK) {
		tool_say("there is nothing to wait with: %m");
		return EXIT_FAILED;
	}
	g.members = mem_calloc((size_t)b->members, sizeof(*g.members));
	if (bench_make_topics(b)) {
		bench_begin(b);
		run(&g);
	}
	for (int i = 0; i < g.count; i++)
		if (g.members[i].member != NULL)
			group_member_destroy(&g.members[i].member);
	peers_fini(&g.peers);
	(void)bench_drop_topics(b);
	free(g.members);
	return b->code == EXIT_OK ? bench_tell(b) : b->code;
}
