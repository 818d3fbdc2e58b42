/*
 * A broker's parts, put together and taken apart in the right order. Used by skein serve, on threads, and by the simulation of a whole broker,
 * where one thread steps them all.
 *
 * Owner: whoever starts it; every function is his. In between, the controller tells his actor that it is ready, and is asked by it to stop:
 *
 *	assembly_start  ...  ready  ...  assembly_serve  ...  assembly_hush  ...  controller_stop answered  ...  assembly_end
 */
#ifndef SKEIN_BROKER_ASSEMBLY_H
#define SKEIN_BROKER_ASSEMBLY_H

#include "api/api.h"
#include "base/config.h"
#include "base/config_set.h"
#include "broker/limits.h"
#include "broker/session_keeper.h"
#include "client/channel.h"
#include "controller/controller.h"
#include "group/group.h"
#include "http/http.h"
#include "net/net.h"
#include "replica/fetcher.h"
#include "storage/logdir.h"

struct upkeep;

struct assembly_spec {
	struct sched         *sched;
	struct workers       *workers;
	struct config_set    *set;	/* the static layer, and ... */
	struct broker_config *config;	/* ... what it says; both outlive the assembly */
	struct log_source    *log;
	const char           *host_name;	/* advertised where the configuration names no host; borrowed during the start */
	struct guardian      *guardian;	/* of the session with ZooKeeper; borrowed. NULL: none */
	struct limits         limits;
	bool                (*is_given_up)(void);	/* whether the start waits in vain for ZooKeeper, since a stop is wanted; NULL: never */
	struct coord_tree    *tree;	/* simulation: the cluster's state; NULL: as the configuration says */
};

struct assembly {
	struct assembly_spec    spec;
	struct logdir         **dirs;
	int                     dir_count;
	struct net             *net;
	struct net_spec         net_spec;
	struct net_listener_spec listeners[16];
	struct cluster_endpoint endpoints[8];	/* advertised, ports bound */
	int                     endpoint_count;
	struct api_context      api;
	struct upkeep          *upkeep;
	struct channels        *channels;	/* to other brokers; NULL: alone */
	struct fetchers        *fetchers;	/* NULL: alone */
	struct partition_movers movers;		/* workers NULL: there is one directory, nothing can move */
	struct http            *http;		/* NULL: no metrics.listener */
	struct partition_writer writer;
	struct partition_flush_turns flush_turns;
	struct partition_cleaners cleaners;	/* workers NULL: nothing is compacted */
	struct store_session    session;	/* read by http */
	const char             *waits_for;	/* why it does not serve, a sentence for /readyz; read by any thread */
	struct controller      *controller;
	struct group_context   *groups;
	struct partition_hook   hooks[2];	/* of the topics that coordinators keep their state in */
	struct coord_zookeeper_spec zookeeper;
	struct session_keeper   keeper;		/* of a session with ZooKeeper */
	char                    store_file[1024];
};

#define ASSEMBLY_PROBLEM_MAX LOGDIR_ERROR_MAX

/* `ready` is the caller's, its home the actor that will hear of it. On an error one sentence for people; what could be started is taken down again,
 * and nothing was written into the directories before the listeners were bound. */
enum err assembly_start(struct assembly *a, const struct assembly_spec *spec, struct controller_ready *ready,
                        char problem[ASSEMBLY_PROBLEM_MAX]) MUST_CHECK;
void     assembly_serve(struct assembly *a);	/* after ready: listeners accept */
void     assembly_hush(struct assembly *a);	/* no call begins any more when it returns; then the controller may be stopped, which lets go of those that wait */
/* After the answer of the controller_stop. is_clean: every log was closed clean, so the markers may be written. ERR_x: one could not. */
enum err assembly_end(struct assembly *a, bool is_clean) MUST_CHECK;

#endif
