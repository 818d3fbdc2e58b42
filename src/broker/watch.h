/*
 * Whether the broker goes on: looks at its actors and workers from time to time, names in the log those that are stuck, and tells the service manager that all is well only
 * while no actor is, so that it is ended and started again when one does not go on.
 *
 * What is stuck: a step that does not end, or mail that nobody takes (actor.h, sched_watch), for half of WatchdogSec=; 30 s where no manager asks. A worker's
 * job that does not come back for so long (a sync that a device does not answer) is told in the same places, but is no reason for a restart: that would not make the
 * device faster, and a broker that reads its logs again makes a slow one slower.
 * Owner: the actor that looks.
 */
#ifndef SKEIN_BROKER_WATCH_H
#define SKEIN_BROKER_WATCH_H

#include "actor/actor.h"

struct watch {
	struct sched            *sched;
	const struct log_source *log;		/* borrowed */
	mono_ms                  interval, limit;	/* between looks; from when on an actor counts as stuck */
	mono_ms                  next;
	int                      stuck;		/* at the last look */
	int                      partitions;	/* actors, too */
	uint64_t                 refused;	/* calls, as told: sandbox.h */
	mono_ms                  longest;	/* that one of them has been stuck for */
	struct workers          *workers;
	int                      jobs_stuck;	/* at the last look */
	mono_ms                  jobs_longest;
};

/* watchdog_ms: within which the service manager wants to hear of us; 0: it does not. */
void watch_init(struct watch *w, struct sched *sched, struct workers *workers, const struct log_source *log, mono_ms watchdog_ms);
/* Looks, when it is time to. True: it did, and told the log. */
bool watch_look(struct watch *w, mono_ms now);

#endif
