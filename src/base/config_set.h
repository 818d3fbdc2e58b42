/*
 * A config_set is what somebody wrote: names and texts, unparsed, each with the place it came from. A file, a topic's
 * overrides and a broker's dynamic configs are all such sets; config_layers puts the broker's sets in order.
 * Owner:  whoever holds the struct; all zero bytes are a valid empty set.
 * Memory: entries are allocated one by one; names and texts live as long as their entry is not put or removed.
 */
#ifndef SKEIN_CONFIG_SET_H
#define SKEIN_CONFIG_SET_H

#include "base/config_table.h"
#include "base/map.h"
#include "base/strbuf.h"

enum config_origin {
	CONFIG_FROM_FILE,
	CONFIG_FROM_COMMAND_LINE,	/* --override */
	CONFIG_FROM_PROFILE,		/* what a broker without ZooKeeper presets, see config_file.h */
	CONFIG_FROM_STORE,		/* dynamic: read from the coordination store */
};

struct config_place {
	enum config_origin origin;
	const char        *file;	/* of CONFIG_FROM_FILE; borrowed: outlives the set */
	int                line;	/* from 1 */
};

struct config_entry {
	struct slice        name, text;	/* NUL-terminated; never null */
	struct config_place place;
};

struct config_set {
	struct map entries;		/* name -> struct config_entry, in the order they came */
};

void config_set_init(struct config_set *s);
void config_set_fini(struct config_set *s);
void config_set_copy(struct config_set *to, const struct config_set *from);	/* to is not initialised before */

/* The last one wins. */
void config_set_put(struct config_set *s, struct slice name, struct slice text, struct config_place place);
bool config_set_remove(struct config_set *s, struct slice name);				/* was it there? */
const struct config_entry *config_set_find(const struct config_set *s, struct slice name);	/* NULL: not there */
struct slice config_set_get(const struct config_set *s, struct slice name);	/* the text; null: not there */

/* for (const struct config_entry *e = NULL; (e = config_set_next(s, &at)) != NULL; ) with uint32_t at = 0 */
const struct config_entry *config_set_next(const struct config_set *s, uint32_t *at);

void config_place_print(const struct config_place *place, struct strbuf *out);	/* "server.properties:12" */

/*
 * Where a broker's values come from, strongest first. NULL is an empty set. A name set at one level hides all names of its
 * group (config_group) at the levels below: a dynamic log.retention.ms hides log.retention.hours of the file.
 */
enum config_level { CONFIG_LEVEL_BROKER, CONFIG_LEVEL_CLUSTER, CONFIG_LEVEL_FIXED, CONFIG_LEVEL_COUNT };

struct config_layers {
	const struct config_set *at[CONFIG_LEVEL_COUNT];
};

/* The entry that holds for def, or NULL: the default. */
const struct config_entry *config_layers_find(const struct config_layers *layers, const struct config_def *def);

#endif
