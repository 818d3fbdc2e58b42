/*
 * What the verbs of skein topic share.
 */
#ifndef SKEIN_TOOL_TOPIC_H
#define SKEIN_TOOL_TOPIC_H

#include "client/admin.h"
#include "setting.h"
#include "show.h"
#include "tool.h"

#define TOPIC_TIMEOUT_MS  TOOL_CHANGE_MS
#define TOPIC_CONFIGS_MAX 128
#define TOPIC_LOOK_MS     3000		/* what a broker has not told by then is shown as unknown */

struct topic {
	const char         *verb;
	int32_t             partition_count;
	int16_t             replication_factor;
	struct admin_config configs[TOPIC_CONFIGS_MAX];
	struct setting      settings[TOPIC_CONFIGS_MAX];	/* what they were typed as */
	int                 config_count;
	bool                if_not_exists, with_internal, yes, dry_run;
	enum show_output    output;
	int64_t             interval_ms, count;		/* watch; count 0: until a signal */
	char              **names;
	int                 name_count;
	struct client      *client;
};

/* topic_show.c: exit codes */
int topic_list(struct topic *x);
int topic_describe(struct topic *x);
int topic_watch(struct topic *x);

#endif
