/*
 * What AlterConfigs and IncrementalAlterConfigs have in common, which is all but the form of the
 * request: which resource is meant, whether it may be changed, and who changes it.
 *
 * Owner: the call. The two handlers fill items in from their request.
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

/* Room for an item's changes. False: the arena's limit. */
bool config_alter_item_reserve(struct call *c, struct config_alter_item *it, int32_t n) MUST_CHECK;
/*
 * begin: `take` fills the items in, of which there is room for so many (false: the arena's limit);
 * what can be is settled, and the controller is asked for the rest.
 */
void config_alter_begin(struct call *c, int32_t count,
                        bool (*take)(struct call *c, struct config_alter *a));
/* on_answer */
void config_alter_on_answer(struct call *c, struct msg *m);
/* end, whatever became of the call: the items with their answers. NULL: there is nothing to say. */
const struct config_alter *config_alter_end(struct call *c);

/* The rest of end, which is the same for both but for the type that the response consists of. */
#define CONFIG_ALTER_END(api) \
	static void api##_end(struct call *c) \
	{ \
		const struct config_alter *a = config_alter_end(c); \
		struct api##_response *out = c->response; \
		\
		if (a == NULL) \
			return; \
		out->responses = arena_calloc(&c->arena, (size_t)a->count, \
		                              sizeof(*out->responses)); \
		c->wants_close = out->responses == NULL; \
		for (int32_t i = 0; i < a->count && !c->wants_close; i++) \
			out->responses[out->responses_count++] = (struct api##_response_response){ \
				.error_code = (int16_t)a->items[i].error, \
				.error_message = a->items[i].message, \
				.resource_type = a->items[i].type, \
				.resource_name = a->items[i].name, \
			}; \
	}

#endif
