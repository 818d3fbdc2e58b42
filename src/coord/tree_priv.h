/*
 * What tree.c and tree_session.c share.
 */
#ifndef SKEIN_COORD_TREE_PRIV_H
#define SKEIN_COORD_TREE_PRIV_H

#include "base/strbuf.h"
#include "coord/tree.h"

struct node {
	struct node *parent;		/* NULL: the root */
	struct map  *children;		/* by name; NULL: none yet */
	uint64_t     id;		/* in the file; grows, so that a parent's is less than its children's */
	int64_t      czxid, mzxid;
	struct tree_session *owner;	/* of an ephemeral node; NULL: persistent */
	struct list  ephemeral_link;
	int32_t      version;
	int32_t      creations;		/* of children, ever: the next sequence number */
	uint8_t     *data;		/* owned; NULL: null */
	uint32_t     data_len;
	bool         is_linked;		/* in its parent's children */
	bool         is_in_file;
	uint64_t     written_in;	/* number of the commit that wrote it last */
	uint32_t     name_len;
	char         name[];		/* NUL behind it */
};

enum undo_kind { UNDO_CREATE, UNDO_DELETE, UNDO_SET, UNDO_CREATIONS };

struct undo {
	enum undo_kind kind;
	struct node   *node;
	uint8_t       *data;		/* SET: what was there, owned */
	uint32_t       data_len;
	int32_t        number;		/* SET: version, CREATIONS: creations */
	bool           is_volatile;	/* CREATIONS: the file need not know of it */
	int64_t        mzxid;
};

enum watch_kind { WATCH_DATA, WATCH_CHILDREN };

struct watch {
	struct tree_session *session;	/* whose it is while it lies in `fired` */
	enum watch_kind      kind;
	size_t               path_len;
	char                 path[];
};

struct trigger {			/* a change that watches may wait for */
	enum coord_event_kind kind;
	size_t                path_at, path_len;	/* in trigger_paths */
};

struct coord_tree {
	struct store_file *file;
	struct node       *root;
	size_t             node_count;
	uint64_t           last_id;
	int64_t            zxid;	/* of the last change or session */
	int64_t            zxid_before;	/* at the begin of the batch */
	int64_t            zxid_bound;	/* in the file: what this run gives out up to it comes never again. 0: no commit in this run yet */
	uint64_t           commits;
	struct list        sessions;
	const struct tree_observer *observer;	/* NULL: none */

	struct undo       *undo;	/* the batch, in order */
	size_t             undo_count, undo_max;
	struct trigger    *triggers;	/* of the call at hand */
	size_t             trigger_count, trigger_max;
	struct strbuf      trigger_paths;
	struct watch     **fired;	/* in the batch */
	size_t             fired_count, fired_max;
};

/* tree.c */
void tree_delete_node(struct coord_tree *t, struct node *n);	/* it has no children */
void tree_node_path(const struct node *n, struct strbuf *out);		/* appends */

/* tree_session.c */
void tree_watch_set(struct tree_session *s, enum watch_kind kind, const char *path);
void tree_trigger(struct coord_tree *t, enum coord_event_kind kind, const struct node *n);
void tree_fire(struct coord_tree *t);		/* the triggers of the call at hand, to whom they concern */
void tree_watches_settle(struct coord_tree *t, bool rearm);	/* at the end of a batch */
void tree_session_forget(struct coord_tree *t, struct tree_session **s);

#endif
