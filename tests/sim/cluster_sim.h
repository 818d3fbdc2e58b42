/*
 * Several whole brokers, each on a simulated machine, one coordination tree, one network, one more machine for the clients; all on one thread, in an order drawn from a seed.
 * What may go wrong is done to it by the functions below; what follows by itself (a dead process is cleared away, a broker comes back, a pause ends) is seen to
 * by cluster_sim_step.
 */
#ifndef SKEIN_TESTS_CLUSTER_SIM_H
#define SKEIN_TESTS_CLUSTER_SIM_H

#include "broker_sim.h"

#define CLUSTER_NODES_MAX 4
#define CLUSTER_SESSION_MS 600
#define CLUSTER_DIRS       2

enum node_state {
	NODE_DOWN,		/* no process; comes back at `back_at` */
	NODE_STARTING,
	NODE_UP,
	NODE_RETIRING,		/* told to stop in order */
};

extern const char *const cluster_dirs[CLUSTER_DIRS];	/* log.dirs of every broker */

struct cluster_node {
	struct broker_sim b;
	int32_t           id;		/* of the broker: index + 1 */
	enum node_state   state;
	bool              is_paused;
	mono_ms           back_at;	/* DOWN: starts; paused: goes on. MONO_NEVER: when told */
	enum sim_crash    dies_by;	/* what is made of a death at the nth operation of its disk */
	int               lives;	/* starts so far */
	bool              is_silenced;	/* dead, and the store knows */
	bool              has_bad_disk;	/* since cluster_sim_break_disk or _fill_disk */
	bool              is_disk_broken;	/* since cluster_sim_break_disk */
};

struct cluster_sim {
	uint64_t            seed, random;
	struct sim_net     *net;
	struct sim_os      *elsewhere;
	struct sched       *sched;	/* the clients' machine's */
	struct coord_tree  *tree;
	struct cluster_node nodes[CLUSTER_NODES_MAX];
	int                 node_count;
	bool                may_die_starting;	/* now and then a broker that starts is killed at it */
	struct coord_faults faults;		/* of every session with the store that is opened from here on */
	uint64_t            steps;		/* of actors, all in all */
	/* Called after every step of an actor, and when a process ends; NULL: nobody is. */
	void              (*on_step)(void *arg, struct actor *a);
	void              (*on_kill)(void *arg, int node, enum sim_crash kind);
	void               *arg;
};

/* Every broker is down at first, and comes up as steps are taken. */
void     cluster_sim_init(struct cluster_sim *c, uint64_t seed, int node_count);
void     cluster_sim_fini(struct cluster_sim *c);		/* every broker is killed first */
uint64_t cluster_sim_hash(const struct cluster_sim *c);
uint64_t cluster_draw(struct cluster_sim *c, uint64_t n);	/* 0 .. n - 1, from the seed */
mono_ms  cluster_now(const struct cluster_sim *c);

void cluster_sim_step(struct cluster_sim *c);
void cluster_sim_pass(struct cluster_sim *c, mono_ms ms);

/* The process or the machine goes, and comes back after so many ms. */
void cluster_sim_kill(struct cluster_sim *c, int node, enum sim_crash kind, mono_ms back_after);
void cluster_sim_stop(struct cluster_sim *c, int node);		/* in order; it comes back at once. Only when NODE_UP */
void cluster_sim_pause(struct cluster_sim *c, int node, mono_ms ms);
void cluster_sim_go_on(struct cluster_sim *c, int node);	/* a paused one, now */
void cluster_sim_expire(struct cluster_sim *c, int node);	/* its session with the store ends */
/* The nth operation of this kind in one of its log directories meets a damaged device (ERR_IO); of the directories one is drawn. */
void cluster_sim_break_disk(struct cluster_sim *c, int node, enum sim_op op, uint64_t nth);
void cluster_sim_fill_disk(struct cluster_sim *c, int node);	/* from now on no directory takes any more */
/* The disks are good again, and have room. A broker whose disk was broken is killed and comes back: nothing else brings a directory into use again
 * that it has given up, or is about to. */
void cluster_sim_mend_disk(struct cluster_sim *c, int node);
void cluster_sim_cut(struct cluster_sim *c, int from, int to);
void cluster_sim_heal_links(struct cluster_sim *c);
void cluster_sim_set_faults(struct cluster_sim *c, const struct coord_faults *f);	/* of the store; also of the sessions that are there */
bool cluster_node_serves(const struct cluster_sim *c, int node);	/* up, and not paused */

/* Prints what failed and when, and ends the test. */
NORETURN PRINTF(2, 3) void cluster_fail(const struct cluster_sim *c, const char *fmt, ...);
#define CLUSTER_CHECK(c, condition, ...)                \
	do {                                            \
		if (UNLIKELY(!(condition)))             \
			cluster_fail(c, __VA_ARGS__);   \
	} while (0)

#endif
