/*
 * What the parts of skein cluster check-java share.
 */
#ifndef SKEIN_TOOL_CHECK_JAVA_H
#define SKEIN_TOOL_CHECK_JAVA_H

#include "base/uuid.h"
#include "broker_file.h"
#include "cluster/cluster.h"
#include "storage/logdir_survey.h"
#include "store.h"

enum check_kind {
	CHECK_STOPS,	/* skein would refuse to start, or a replica would not be served */
	CHECK_CHANGES,	/* it would run, and something be other than with Java */
	CHECK_FIRST,	/* to be done in any case, before */
	CHECK_KINDS,
};

struct check_replica {		/* a directory of a replica that was found */
	const char *dir;		/* the log directory */
	struct survey_partition at;
};

struct check_java {
	struct broker_file    file;
	bool                  ndjson;
	int                   counts[CHECK_KINDS];
	struct strbuf         texts[CHECK_KINDS];
	bool                  is_seen;		/* the store was asked */
	bool                  has_asked_java;	/* a Java broker has said what it speaks */
	bool                  was_clean;	/* every directory has the marker of a clean stop */
	int32_t               broker_id;	/* of the file, else of the directories; -1: not known */
	struct check_replica *replicas;
	int                   replica_count, replica_room;
	int                   unread_segments;	/* of all directories: logdir_survey.h */
};

/* about: "file", "directory", "cluster". */
void check_say(struct check_java *x, enum check_kind kind, const char *about, const char *what, const char *remedy);
/* Once per remedy, for what concerns many things alike. */
void check_say_once(struct check_java *x, enum check_kind kind, const char *about, const char *what, const char *remedy);

/* check_java_remedies.c: NULL: nothing is known but that the value should be another. */
const char *check_remedy(struct slice name);

/* check_java_peers.c: a registered Java broker is asked of which release it is; and the end of that. */
void check_release(struct check_java *x, const struct cluster_broker *b);
void check_unset_version(struct check_java *x);

void check_directories(struct check_java *x);
/* EXIT_OK, or why the store could not be asked, which has been said. */
int  check_cluster(struct check_java *x);

#endif
