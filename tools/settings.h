/*
 * skein config: what its files share.
 */
#ifndef SKEIN_TOOL_SETTINGS_H
#define SKEIN_TOOL_SETTINGS_H

#include "client/admin.h"
#include "show.h"

struct settings_kind {
	const char         *name;		/* "topic", as it is typed and shown */
	enum admin_resource type;
	bool                has_names;		/* false: there is one only, and its name is "" */
};

struct settings {
	const char                 *verb;
	const struct settings_kind *kind;
	char                      **names;	/* behind the kind */
	int                         name_count;
	bool                        all, dry_run, force;
	enum show_output            output;
	struct client              *client;
};

#define SETTINGS_TIMEOUT_MS 30000

int settings_describe(struct settings *x);
int settings_set(struct settings *x);		/* set, unset */
int settings_diff(struct settings *x);

enum { SETTING_FROM_DEFAULT = 5 };	/* DescribeConfigs: ConfigSource */

/* One resource's settings as they came, in the order of their names. */
struct settings_of {
	const char         *name;		/* "orders"; what was passed */
	struct client_call *answer;
	const void        **list;		/* struct describe_configs_response_config */
	int32_t             count;
};
int  settings_ask(struct settings *x, const char *name, struct settings_of *out);	/* EXIT_OK, or after saying why */
void settings_fini(struct settings_of *s);
const struct describe_configs_response_config *settings_find(const struct settings_of *s, struct slice name);	/* NULL */
const char *settings_source(int8_t source);		/* "topic", "broker", "cluster", "static", "default", "logger" */
/* What would hold without this resource's own value: value null and source 0 when the brokers do not say. */
struct describe_configs_response_synonym settings_behind(const struct describe_configs_response_config *c, const struct settings_kind *kind);
/* "topic orders", "all brokers". */
const char *settings_subject(const struct settings *x, const char *name, char out[300]);
void settings_json_value(struct strbuf *out, const char *name, struct slice value);	/* ,"name":"..." or null */

#endif
