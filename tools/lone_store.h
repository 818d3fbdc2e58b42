/*
 * What a lone broker keeps in its embedded store, read while the broker is stopped: its nodes, as they would stand in ZooKeeper.
 */
#ifndef SKEIN_TOOL_LONE_STORE_H
#define SKEIN_TOOL_LONE_STORE_H

#include "base/arena.h"
#include "base/config.h"
#include "storage/logdir.h"

struct lone_node {
	const char  *path;
	struct slice data;		/* may be null */
	int32_t      version;		/* how often it was set */
};

struct lone_store {
	struct logdir   **dirs;		/* open, and so locked */
	int               dir_count;
	char              path[1200];	/* of the file */
	bool              is_adopted;	/* by its name: its content is in ZooKeeper already */
	struct arena      arena;
	struct lone_node *nodes;	/* a parent comes before its children; without the root, and what means nothing to another broker */
	int               count, room;
	int               left_out;	/* announcements of changes */
	char              cluster_id[META_PROPERTIES_ID_MAX];
};

/* EXIT_OK, or an exit code after saying why: the broker runs, there is no store, it is damaged, the directories are not of this broker. */
int  lone_store_open(struct lone_store *l, const struct broker_config *config);
void lone_store_close(struct lone_store *l);
const struct lone_node *lone_store_find(const struct lone_store *l, const char *path);	/* NULL: there is none */
/* Gives the file the name that says that its content is in ZooKeeper; survives a power cut. */
enum err lone_store_retire(struct lone_store *l) MUST_CHECK;

#endif
