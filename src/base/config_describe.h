/*
 * What DescribeConfigs answers: every config of a topic, of this broker or of the cluster-wide level, with where its value
 * comes from and what stands behind it. Equal to Kafka's answers, oddities included (tests/golden/config); a handler only
 * copies. Any thread that may read the layers.
 *
 *	struct config_describe it;
 *	struct config_description d;
 *
 *	config_describe_topic(&it, &layers, broker, overrides, arena);
 *	while (config_describe_next(&it, &d))
 *		...
 *	if (it.is_full)		the arena's limit was reached: answer an error
 */
#ifndef SKEIN_CONFIG_DESCRIBE_H
#define SKEIN_CONFIG_DESCRIBE_H

#include "base/arena.h"
#include "base/config.h"
#include "base/config_set.h"

enum config_source {			/* numbers of DescribeConfigs' ConfigSource */
	CONFIG_SOURCE_TOPIC           = 1,
	CONFIG_SOURCE_DYNAMIC_BROKER  = 2,
	CONFIG_SOURCE_DYNAMIC_CLUSTER = 3,
	CONFIG_SOURCE_STATIC          = 4,
	CONFIG_SOURCE_DEFAULT         = 5,
};

struct config_synonym {
	struct slice       name, value;		/* value is null when sensitive */
	enum config_source source;
};

struct config_description {
	struct slice       name;
	struct slice       value;		/* null: unset, or sensitive */
	enum config_source source;		/* of the value: of the first synonym */
	enum config_type   type;
	bool               is_read_only;
	bool               is_sensitive;
	bool               is_ours;		/* Kafka does not have it */
	const struct config_synonym *synonyms;	/* by precedence; the first is what holds */
	int                synonyms_count;
	const char        *doc;			/* NULL: none */
};

struct config_describe {
	enum { DESCRIBE_BROKER, DESCRIBE_CLUSTER, DESCRIBE_TOPIC } what;
	const struct config_layers *layers;
	const struct broker_config *broker;
	const struct config_set    *overrides;
	struct arena               *arena;
	size_t                      row;	/* next of the table */
	int                         level;	/* then of the layers, for names the table does not list */
	uint32_t                    at;
	bool                        is_full;
};

/* Names and texts of the descriptions are borrowed from the layers, the overrides and the arena. */
void config_describe_broker(struct config_describe *it, const struct config_layers *layers, struct arena *arena);
void config_describe_cluster(struct config_describe *it, const struct config_layers *layers, struct arena *arena);
void config_describe_topic(struct config_describe *it, const struct config_layers *layers,
			   const struct broker_config *broker, const struct config_set *overrides, struct arena *arena);

bool config_describe_next(struct config_describe *it, struct config_description *out);

#endif
