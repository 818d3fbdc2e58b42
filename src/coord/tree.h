/*
 * The tree engine: nodes, sessions and watches with ZooKeeper's rules, in memory, and optionally in a file.
 *
 * Owner:   one thread (the store's actor), or the one thread of a simulation.
 * Batches: changes between tree_commit and the next are one transaction: on the device after OK, undone after an error. Watches that
 *          fired are armed again then; the events they made are the caller's to drop.
 * Events:  made as calls are applied, through the session's `on_watch`, before tree_apply returns.
 */
#ifndef SKEIN_COORD_TREE_H
#define SKEIN_COORD_TREE_H

#include "base/list.h"
#include "base/map.h"
#include "coord/coord.h"

#define TREE_DATA_MAX ((1u << 20) - 1024)	/* a ZooKeeper server's default packet is 1 MiB, with the path in it */

struct store_file;

struct tree_session {
	struct list link;		/* tree->sessions */
	int64_t     id;
	mono_ms     timeout;		/* 0: never by the clock */
	mono_ms     expires_at;
	struct list ephemerals;
	struct map  watches[2];		/* by path: data (and existence), children */
	void      (*on_watch)(void *arg, enum coord_event_kind kind, const char *path);
	void      (*on_expired)(void *arg);	/* the session is gone when this is called */
	void       *arg;
};

struct coord_tree *tree_open(struct store_file *file);	/* takes the file; NULL: memory only. Root only until tree_load */
/* Reads the file's nodes. ERR_CORRUPT, ERR_IO; problem is a sentence. */
enum err tree_load(struct coord_tree *t, char *problem, size_t problem_size) MUST_CHECK;

/* --- sessions ---------------------------------------------------------------------------------------------------------------- */
struct tree_session *tree_session_open(struct coord_tree *t, mono_ms timeout, mono_ms now);
/* Its ephemeral nodes go, others' watches fire, its own are forgotten. Between batches only. */
void    tree_session_close(struct coord_tree *t, struct tree_session **s);
/* Nobody listens any more; the session stays until its time is over. */
void    tree_session_detach(struct tree_session *s);
void    tree_expire(struct coord_tree *t, mono_ms now);		/* ends the sessions whose time is over; between batches only */
mono_ms tree_next_expiry(const struct coord_tree *t);		/* MONO_NEVER */

/* --- calls ------------------------------------------------------------------------------------------------------------------- */
/* Applies the call's operations (all or none of a multi) and writes its results. refuse != OK: every change gets this result. */
void     tree_apply(struct coord_tree *t, struct tree_session *s, struct coord_call *call, enum err refuse);
bool     tree_has_changes(const struct coord_tree *t);		/* since the last commit */
/* ERR_NO_SPACE, ERR_IO: nothing of the batch has happened. */
enum err tree_commit(struct coord_tree *t) MUST_CHECK;
size_t   tree_node_count(const struct coord_tree *t);

/* For simulations that count what a cluster asks of its store. It may look at everything and must change nothing. */
struct tree_observer {
	void (*on_call)(void *arg, const struct tree_session *s, const struct coord_call *call);	/* it was applied, and has its results */
	void (*on_event)(void *arg, const struct tree_session *s, enum coord_event_kind kind, const char *path);	/* somebody is told */
	void  *arg;
};
void     tree_observe(struct coord_tree *t, const struct tree_observer *o);	/* lives as long as the tree. NULL: nobody observes */

#endif
