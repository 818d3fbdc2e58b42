/*
 * The controller actor: the one thread that talks to the coordination store. It registers the broker, takes part in the election, watches the tree, runs the
 * topic and partition state machines while it is active, creates and ends the partition actors of this broker, and publishes the cluster picture.
 */
#ifndef SKEIN_CONTROLLER_H
#define SKEIN_CONTROLLER_H

#include "base/config.h"
#include "cluster/cluster_msg.h"
#include "cluster/store_session.h"
#include "controller/controller_msg.h"
#include "client/channel.h"
#include "coord/coord.h"
#include "partition/partition.h"
#include "replica/fetcher.h"
#include "storage/logdir.h"

struct controller;

struct controller_spec {
	struct sched   *sched;
	struct workers *workers;
	struct config_set *config;		/* the static layer, with its origins: shared, frozen */
	struct logdir **dirs;
	int             dir_count;
	const struct cluster_endpoint *endpoints;	/* what this broker advertises, ports bound */
	int             endpoint_count;
	struct channels *channels;		/* to other brokers */
	struct fetchers *fetchers;
	struct partition_movers *movers;	/* given to every partition; its throttle follows the configuration */
	struct partition_cleaners *cleaners;	/* the same; NULL: nothing is compacted */
	struct partition_writer *writer;	/* the same; NULL in tests */
	struct partition_flush_turns *flush_turns;	/* the same */
	/* one of: */
	const struct coord_zookeeper_spec *zookeeper;	/* NULL: embedded */
	const char     *embedded_file;			/* LMDB file */
	struct coord_tree *tree;			/* simulation */
	const struct partition_hook *hooks;	/* given to every partition (partition.h); they outlive the controller */
	int             hook_count;
	const char    **waits_for;		/* told, while it starts, what that waits for: a sentence; read by any thread. NULL: nobody asks */
	/* Whenever this broker has registered, and others will come: on the controller's thread. An error ends the start, problem says why. NULL: nobody wants to know. */
	enum err      (*on_registered)(void *arg, char *problem, size_t problem_size);
	void           *on_registered_arg;
	struct store_session *session;		/* kept up to date; NULL: nobody asks */
};

/* It is usable (registered, elected or knowing who is, first picture published, local replicas open and in their
 * roles) when `ready` comes home; ready.problem tells why not. */
struct controller_ready {
	struct msg msg;			/* kind CONTROLLER_ready, home: the broker's actor */
	enum err   result;
	char       problem[1280];
};

/* Opens the store; the actor is not started yet. `ready` is posted to its home. */
enum err controller_create(struct controller **out, const struct controller_spec *spec, struct controller_ready *ready, char *problem, size_t problem_size) MUST_CHECK;
enum err controller_start(struct controller *c) MUST_CHECK;	/* after the audience is complete */
struct actor *controller_actor(struct controller *c);
/* Actors that get pictures; before controller_start. */
void controller_add_audience(struct controller *c, struct actor *network);
void controller_join(struct controller **c);	/* after the answer of a controller_stop */

#endif
