/*
 * The tables of all configs: one row per name, and everything else (parsing, checking, DescribeConfigs, the typed structs)
 * is derived from the rows of config_broker.def and config_topic.def. Constant data, any thread.
 *
 * The row macros of config_broker.def tell where a name is known:
 *   CONFIG    public in Kafka 3.9; DescribeConfigs lists it always
 *   INTERNAL  defined by Kafka, listed only when set
 *   DYNAMIC   Kafka accepts it as a dynamic config only; listed only when set
 *   PLUGIN    belongs to a plug-in of the Java broker; listed as an unknown name when set
 *   SKEIN     ours
 * Columns: name, type, default (NULL: null), what is valid, update mode, what skein does about it, field, documentation.
 */
#ifndef SKEIN_CONFIG_TABLE_H
#define SKEIN_CONFIG_TABLE_H

#include "base/slice.h"

enum config_type {		/* numbers of DescribeConfigs' ConfigType */
	CONFIG_UNKNOWN  = 0,
	CONFIG_BOOLEAN  = 1,
	CONFIG_STRING   = 2,
	CONFIG_INT      = 3,
	CONFIG_SHORT    = 4,
	CONFIG_LONG     = 5,
	CONFIG_DOUBLE   = 6,
	CONFIG_LIST     = 7,
	CONFIG_CLASS    = 8,
	CONFIG_PASSWORD = 9,
};

enum config_kind {
	CONFIG_KIND_CONFIG,
	CONFIG_KIND_INTERNAL,
	CONFIG_KIND_DYNAMIC,
	CONFIG_KIND_PLUGIN,
	CONFIG_KIND_SKEIN,
	CONFIG_KIND_TOPIC,
};

enum config_update {		/* how a running broker's value may be changed */
	CONFIG_READ_ONLY,
	CONFIG_PER_BROKER,	/* for one broker by its id */
	CONFIG_CLUSTER_WIDE,	/* so, or for all */
};

enum config_support {
	CONFIG_USED,
	CONFIG_SILENT,		/* no effect here, and none is missed */
	CONFIG_WARNED,		/* no effect yet: one warning when it is set to something else than the default */
	CONFIG_REFUSED,		/* ignoring it would make the broker more open, less durable or something else: no start */
};

enum config_check {
	CHECK_ANY,
	CHECK_RANGE,		/* min..max */
	CHECK_RANGE_OR_MINUS_ONE,
	CHECK_CHOICE,		/* one of the choices; for a list each member */
	CHECK_VERSION,		/* "3.9", "3.9-IV0" */
	CHECK_REPLICAS,		/* "0:1,0:2" or "*" */
	CHECK_ZOOKEEPER,	/* "host:2181,[::1]:2181/path" or nothing */
	CHECK_LOG_LEVELS,	/* "INFO,partition=DEBUG" or nothing */
	CHECK_NOT_EMPTY,
};

struct config_choice {
	const char *name;	/* NULL ends the array */
	int32_t     value;	/* of a field; lists or them */
};

struct config_valid {
	enum config_check           check;
	int64_t                     min, max;	/* INT64_MIN, INT64_MAX: open on that side */
	const struct config_choice *choices;
};

/* C type of the field a row fills, taken from the struct by the compiler. Choices and versions fill int32_t, lists of
 * choices uint32_t. Text is NULL for null; a null number has no place: NULL defaults need FIELD_UNSET_INT/LONG. */
enum config_field {
	FIELD_NONE,
	FIELD_BOOL,
	FIELD_INT16,
	FIELD_INT32,
	FIELD_UINT32,
	FIELD_INT64,
	FIELD_DOUBLE,
	FIELD_TEXT,
};
#define FIELD_UNSET_INT  INT32_MIN
#define FIELD_UNSET_LONG INT64_MIN

struct config_def {
	const char          *name;
	enum config_kind     kind;
	enum config_type     type;
	const char          *fallback;		/* the default; NULL: null */
	struct config_valid  valid;
	enum config_update   update;
	enum config_support  support;
	enum config_field    field;
	size_t               field_at;		/* in struct broker_config, for topics in struct topic_config */
	const char          *broker_name;	/* topics: the broker config that gives the default, or NULL */
	const char          *doc;
};

struct config_table {
	const struct config_def *defs;		/* by name, in byte order */
	size_t                   count;
	const char              *scope;		/* "broker" or "topic", for messages */
};

extern const struct config_table config_brokers, config_topics;

const struct config_def *config_find(const struct config_table *t, struct slice name);	/* NULL: not there */

/* Also understands listener.name.<listener>.[<mechanism>.]<config>, and gives that config's row. */
const struct config_def *config_find_base(struct slice name);
bool config_has_listener_prefix(struct slice name);

/* The known name that differs least from a mistyped one, or NULL when none is near. */
const struct config_def *config_nearest(const struct config_table *t, struct slice name);

/*
 * Names that mean the same value, the first that is set wins: log.roll.ms, log.roll.hours. Ends in NULL; holds at least
 * def itself. Writes at most CONFIG_GROUP_MAX + 1 pointers.
 */
#define CONFIG_GROUP_MAX 3
void config_group(const struct config_def *def, const struct config_def *out[CONFIG_GROUP_MAX + 1]);

#endif
