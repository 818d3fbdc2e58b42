/*
 * What AlterConfigs and IncrementalAlterConfigs have in common, which is all but the form of the
 * request: which resource is meant, whether it may be changed, and who changes it.
 *
 * Owner: the call. The two handlers fill items in from their request, and their response from
 * items.
 */
#ifndef SKEIN_API_CONFIG_ALTER_H
#define SKEIN_API_CONFIG_ALTER_H

#include "api/api.h"

struct config_alter_item {
	/* the request: filled in by the handler */
	int8_t                type;
	struct slice          name;
	struct config_change *changes;
	int32_t               change_count;
	/* the answer, after config_alter_end */
	enum kafka_error      error;
	struct slice          message;
	/* private */
	struct controller_altered_resource *resource;	/* NULL: settled without the controller */
	bool                  is_listed_twice;
};

struct config_alter {
	enum config_change_mode          mode;
	bool                             validate_only;
	struct config_alter_item        *items;
	int32_t                          count;
	struct controller_alter_configs *ask;		/* private */
};

/* Becomes the call's state, with room for so many items. NULL: the arena's limit. */
struct config_alter *config_alter_create(struct call *c, int32_t count) MUST_CHECK;
/* Room for an item's changes. False: the arena's limit. */
bool config_alter_item_reserve(struct call *c, struct config_alter_item *it, int32_t n) MUST_CHECK;
/* Settles what it can and asks the controller for the rest. False: the arena's limit. */
bool config_alter_begin(struct call *c, struct config_alter *a) MUST_CHECK;
/* Fills the items' answers in. Call it in end, whatever became of the call (a may be NULL). */
void config_alter_end(struct call *c, struct config_alter *a);

#endif
