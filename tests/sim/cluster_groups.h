/*
 * Members of consumer groups in a simulated cluster, and who commits without being one; all one actor. They find coordinators by trying, as brokers say who is none.
 *
 * A group's leader gives each member its share together with a number of its own for the whole: whoever is told an assignment of a generation must be told the same number,
 * so there was one leader. Every commit carries an offset that no other has; so the log tells at the end what became of each:
 *	acknowledged	it is there, once; whatever else happened before or later;
 *	refused		because of its generation or its member: it is not there;
 *	any		it lies between the record of its own generation and that of the next: nobody commits who is fenced, neither at an old coordinator nor at the new one;
 *	generations	ascend along the log, and what is stored twice of one is the same assignment.
 * And the coordinators, many of which have read the log after an election, know what it says.
 */
#ifndef SKEIN_TESTS_CLUSTER_GROUPS_H
#define SKEIN_TESTS_CLUSTER_GROUPS_H

#include "cluster_link.h"
#include "cluster_watch.h"

#define GROUPS_COUNT      2
#define GROUPS_MEMBERS    3		/* of each; the first one is static */
#define GROUPS_PARTITIONS 2		/* that are shared and committed */
#define GROUPS_SIMPLE     2		/* who commit without being members, each to a group of its own */
#define GROUPS_COMMITS    4000
#define GROUPS_GENERATIONS 256

enum commit_fate { COMMIT_OUT, COMMIT_ACKNOWLEDGED, COMMIT_REFUSED, COMMIT_UNKNOWN };

struct groups_commit {			/* its number is the offset that it says */
	int              group, partition;
	int32_t          generation;	/* -1: of no member */
	enum commit_fate fate;
	int              found;		/* in the log, so often */
	int64_t          log_offset;	/* there */
};

enum member_phase { MEMBER_OUT, MEMBER_JOINED, MEMBER_STABLE };

struct groups_member {
	struct cluster_link link;
	int                 number, group;
	bool                is_simple, is_static;
	char                id[64], instance[16];
	enum member_phase   phase;
	int32_t             generation;
	bool                is_leader, skips_assignment;
	char                others[8][64];		/* whom it assigns to */
	int                 other_count;
	uint32_t            assignment;			/* its number; 0: none */
	unsigned            share;			/* bits: partitions */
	int16_t             asked;			/* key of the question that is out */
	struct groups_commit *out;
	mono_ms             next_at;
	int                 done;			/* commits acknowledged since groups_wind_down */
};

struct groups {
	struct actor          actor;
	struct cluster_sim   *c;
	struct cluster_watch *w;
	uint64_t              random;
	struct groups_member  members[GROUPS_COUNT * GROUPS_MEMBERS + GROUPS_SIMPLE];
	int                   count;
	uint32_t              assignments[GROUPS_COUNT][GROUPS_GENERATIONS];	/* as they were told; 0: not yet */
	uint32_t              assignment_count;
	struct groups_commit  commits[GROUPS_COMMITS];
	int                   commit_count;
	bool                  has_topic, is_ending;
	int                   acknowledged, refused, unknown, syncs, leaves;	/* for the report */
};

void groups_init(struct groups *g, struct cluster_sim *c, struct cluster_watch *w);
void groups_fini(struct groups *g);
void groups_wind_down(struct groups *g);			/* nobody leaves any more */
/* Every group has all its members in one generation, and everybody has committed since. */
bool groups_are_done(const struct groups *g, char why[256]);
bool groups_have_loaded(struct groups *g, char why[256]);	/* once settled: the coordinators */
void groups_compare(struct groups *g);				/* at rest: with the log */

#endif
