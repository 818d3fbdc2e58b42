/*
 * Changing configs: what CreateTopics, AlterConfigs and IncrementalAlterConfigs do to a set, and whether the result may
 * stand. Nothing here stores anything. Errors and sentences are Kafka's. Any thread that may read the sets.
 *
 * A handler copies the present set, applies the changes to the copy, checks the copy, and has it stored:
 *
 *	config_set_copy(&after, before);
 *	ok = config_changes_apply(&config_topics, &after, changes, n, CONFIG_INCREMENT, &refusal) &&
 *	     config_topic_check(&after, broker, topic, &refusal);
 */
#ifndef SKEIN_CONFIG_CHANGE_H
#define SKEIN_CONFIG_CHANGE_H

#include "base/config.h"
#include "base/config_set.h"
#include "base/err.h"

enum config_op {			/* numbers of IncrementalAlterConfigs' ConfigOperation */
	CONFIG_SET      = 0,
	CONFIG_DELETE   = 1,
	CONFIG_APPEND   = 2,		/* lists only */
	CONFIG_SUBTRACT = 3,
};

struct config_change {
	struct slice name;
	int8_t       op;		/* as it came: checked here. Only CONFIG_INCREMENT looks at it */
	struct slice value;		/* may be null, as it came */
};

enum config_change_mode {
	CONFIG_CREATE,			/* CreateTopics: of a name given twice the last counts */
	CONFIG_REPLACE,			/* AlterConfigs: what is not named reverts */
	CONFIG_INCREMENT,		/* IncrementalAlterConfigs */
};

struct config_refusal {
	enum kafka_error error;
	struct strbuf    text;		/* STRBUF_INIT at first */
};

bool config_changes_apply(const struct config_table *t, struct config_set *set, const struct config_change *changes,
			  int count, enum config_change_mode mode, struct config_refusal *refusal) MUST_CHECK;

/* One value. false: why gets the sentence; for a topic an unknown name is an error, for a broker it is not. */
bool config_check_value(const struct config_table *t, struct slice name, struct slice value, struct strbuf *why) MUST_CHECK;

/* May a topic have these overrides on this broker? topic is null for one that is being created (the sentences differ). */
bool config_topic_check(const struct config_set *overrides, const struct broker_config *broker, struct slice topic,
			struct config_refusal *refusal) MUST_CHECK;

/* May `wanted` replace the dynamic configs at that level (CONFIG_LEVEL_BROKER or _CLUSTER) of the running broker? */
bool config_broker_check(const struct config_layers *now, enum config_level level, const struct config_set *wanted,
			 struct config_refusal *refusal) MUST_CHECK;

/* Is it one that Java's brokers follow while they run, and this one takes from its file alone? */
bool config_needs_restart(const struct config_entry *e);

/*
 * Dynamic configs read from the store may have been written by others: takes out what a running broker cannot take, with a
 * line for each in dropped (separated by \n). Gives their number.
 */
int config_set_drop_bad(struct config_set *dynamic, struct strbuf *dropped);

#endif
