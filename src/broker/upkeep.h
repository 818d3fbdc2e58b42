/*
 * The actor that writes the log directories' files now and then: high watermarks and progress marks, recovery points, log starts, and that removes what
 * was deleted long enough ago. Progress marks and dirty offsets also when partitions ask, who have grown by much or been cleaned.
 *
 * It gets every picture like a network actor, so it knows the local replicas; what it writes it reads from their published offsets. The writing itself is a
 * worker's job, one at a time.
 */
#ifndef SKEIN_BROKER_UPKEEP_H
#define SKEIN_BROKER_UPKEEP_H

#include "actor/actor.h"
#include "storage/logdir.h"

struct upkeep;
struct partition_writer;

struct upkeep_spec {
	struct sched   *sched;
	struct workers *workers;
	struct logdir **dirs;
	int             dir_count;
	mono_ms         watermark_interval_ms, recovery_interval_ms, starts_interval_ms;
	struct partition_writer *writer;	/* tells what partitions want written; its actor is set here */
	int64_t         delete_delay_ms;	/* of directories that were renamed for deletion */
};

enum err      upkeep_start(struct upkeep **out, const struct upkeep_spec *spec) MUST_CHECK;
struct actor *upkeep_actor(struct upkeep *u);
void          upkeep_destroy(struct upkeep **u);	/* stops and joins; after the controller has ended */

#endif
