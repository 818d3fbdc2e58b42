/*
 * The coordination store: a tree of versioned nodes with ephemeral ones, one-shot watches, sequence nodes and atomic multis, with ZooKeeper's
 * semantics throughout. Three sides: ZooKeeper itself, an embedded tree kept in LMDB (a broker alone), and faults in front of the embedded
 * one for tests.
 *
 * Owner:   one actor, the controller's: it opens, asks and is told. Everything is asynchronous: a call is a message lent to the store; it comes home with
 *          a result. The result may be ERR_CONN_LOSS ("perhaps applied": the caller decides what a second attempt means) or ERR_EXPIRED.
 * Order:   calls are applied, and come home, in the order they were submitted (per session), as ZooKeeper promises.
 * Watches: one-shot, set by a read; a watch event is delivered before any answer that could show the change.
 * Lifetime: all calls must be home before coord_close.
 */
#ifndef SKEIN_COORD_H
#define SKEIN_COORD_H

#include "actor/actor.h"
#include "base/arena.h"
#include "coord/zk_session.h"

struct coord;

enum { COORD_CALL = MSG_BASE_COORD, COORD_EVENT };

struct coord_stat {
	int64_t czxid, mzxid;
	int64_t ephemeral_owner;	/* session id, 0: persistent */
	int32_t version, children_version, children;
};

enum coord_op_kind { COORD_CREATE, COORD_SET, COORD_DELETE, COORD_CHECK, COORD_GET, COORD_EXISTS, COORD_CHILDREN };
enum { COORD_EPHEMERAL = 1, COORD_SEQUENCE = 2 };
#define COORD_ANY_VERSION (-1)

struct coord_op {
	enum coord_op_kind kind;
	const char  *path;		/* absolute in the chroot; lives until the call is home */
	struct slice data;		/* create, set; the null slice writes null (length -1), which is not the empty slice */
	int32_t      version;		/* set, delete, check */
	int          flags;		/* create */
	bool         watch;		/* get, exists (data watch), children (child watch) */
	/* result */
	enum err     result;		/* OK, ERR_NOT_FOUND, ERR_EXISTS, ERR_BAD_VERSION, ERR_NOT_EMPTY, ERR_INVALID (path, ephemeral parent), ERR_CONN_LOSS, ERR_EXPIRED,
					 * ERR_ACCESS, ERR_IO, ERR_NO_SPACE, ERR_TOO_LARGE; in a failed multi: OK before the guilty one, ERR_AGAIN behind it */
	struct coord_stat stat;		/* get, exists, set, children; create within a multi has none */
	struct slice out;		/* get: the data (null possible); create: the path made (sequence number included) */
	struct slice *names;		/* children, in no order */
	int32_t      name_count;
};

struct coord_call {
	struct msg      msg;
	struct coord_op *ops;		/* 1: a plain call; more: an atomic multi (create, set, delete, check only) */
	int             op_count;
	bool            is_multi;	/* also with one op */
	enum err        result;		/* of the whole: the first error; OK when all is done */
	struct arena    arena;		/* the caller's, initialised; results are put into it */
	void           *internal;	/* the store's while it has the call */
};

enum coord_event_kind { COORD_EVENT_CONNECTED, COORD_EVENT_DISCONNECTED, COORD_EVENT_EXPIRED, COORD_EVENT_AUTH_FAILED,
                        COORD_EVENT_CREATED, COORD_EVENT_DELETED, COORD_EVENT_CHANGED, COORD_EVENT_CHILDREN };

/* Comes to the owner like an answer; the owner gives it back with coord_event_free. */
struct coord_event {
	struct msg            msg;
	enum coord_event_kind kind;
	int64_t               session_id;
	char                  path[];		/* watch events */
};
void coord_event_free(struct coord_event *e);

/* Opens a store for `owner`; asynchronous: COORD_EVENT_CONNECTED follows. */
enum err coord_open_embedded(struct coord **out, struct actor *owner, const char *file, char *problem, size_t problem_size) MUST_CHECK;
struct coord_zookeeper_spec {
	const char *connect;			/* host:port,host:port/chroot */
	int32_t     session_timeout_ms, connection_timeout_ms;
	/* Told each new session before the owner is, and so before anything can be done in it; on a thread of the library, which waits. NULL: nobody is. */
	void      (*on_session)(void *arg, const struct zk_session *s);
	void       *on_session_arg;
	bool      (*is_given_up)(void);		/* whether the first connection is to be waited for no longer; NULL: never */
};
/* Makes the chroot first when it is missing (own session), as Kafka does. */
enum err coord_open_zookeeper(struct coord **out, struct actor *owner, const struct coord_zookeeper_spec *spec, char *problem, size_t problem_size) MUST_CHECK;
/* An in-memory tree for simulation: several owners (brokers) may open sessions on one tree. */
struct coord_tree;
struct coord_tree *coord_tree_create(void);
void               coord_tree_destroy(struct coord_tree **t);
enum err coord_open_tree(struct coord **out, struct actor *owner, struct coord_tree *tree, int32_t session_timeout_ms) MUST_CHECK;

/* For tests: answers may be lost (ERR_CONN_LOSS, with or without effect), applied twice, delayed; sessions expire. By the seed, in 1/65536. */
struct coord_faults { uint64_t seed; uint32_t lose_before, lose_after, apply_twice, expire, delay_ms_max; };
void coord_set_faults(struct coord *c, const struct coord_faults *f);

void    coord_submit(struct coord *c, struct coord_call *call);	/* owner's thread; never fails: the result tells */
int64_t coord_session_id(const struct coord *c);		/* 0: none yet */
/* After COORD_EVENT_EXPIRED: a new session; CONNECTED follows, however long that takes: it is tried until it succeeds, and nobody waits here. Calls submitted in between
 * come home with ERR_EXPIRED. */
enum err coord_reopen(struct coord *c) MUST_CHECK;
/* Ends the session properly (ephemeral nodes go at once). Caller: the owner in a step, or anybody once the owner has ended. */
void    coord_close(struct coord **c);
/* For simulations, as if the process died: calls come home with ERR_CONN_LOSS, the session lives on in the tree until its time is over. */
void    coord_crash(struct coord **c);

/* Helpers for the common single calls: fill ops[0] of a call whose ops points to one. */
void coord_call_init(struct coord_call *call, struct actor *home, struct coord_op *ops, int op_count);
void coord_call_fini(struct coord_call *call);
void coord_call_fail(struct coord_call *call, enum err e);	/* for sides: e in the call and in each operation, no results */

#endif
