/*
 * DeleteGroups (42). A group that is listed twice is answered once.
 */
#include "api/api.h"
#include "base/map.h"
#include "group/group_msg.h"
#include "wire/gen/delete_groups.h"

struct delete_item {
	struct partition_addr *addr;
	enum kafka_error       error;	/* before anybody was asked */
	struct group_delete    ask;
};

struct delete_state {
	struct delete_item *items;
	int32_t             count;
};

static void begin_item(struct call *c, struct delete_item *it, struct slice group)
{
	msg_init(&it->ask.q.msg, GROUP_delete, network_actor(c->network));
	it->ask.group = group;
	it->error = api_ask_group(c, ACL_DELETE, group, false, &it->ask.q, &it->addr);
}

static void delete_groups_begin(struct call *c)
{
	const struct delete_groups_request *r = c->request;
	struct delete_state *s = arena_calloc(&c->arena, 1, sizeof(*s));
	struct map seen = MAP_INIT;

	c->state = s;
	if (s == NULL || (s->items = arena_calloc(&c->arena, (size_t)r->groups_names_count, sizeof(*s->items))) == NULL) {
		c->wants_close = true;
		return;
	}
	for (int32_t i = 0; i < r->groups_names_count; i++) {
		if (map_put(&seen, r->groups_names[i], s) == NULL)
			begin_item(c, &s->items[s->count++], r->groups_names[i]);
	}
	map_fini(&seen);
}

static void delete_groups_on_answer(struct call *c, struct msg *m)
{
	struct delete_item *it = CONTAINER_OF(m, struct delete_item, ask.q.msg);

	(void)c;
	it->error = it->ask.q.error;
}

static void delete_groups_end(struct call *c)
{
	struct delete_state *s = c->state;
	struct delete_groups_response *out = c->response;

	if (!c->wants_close) {
		out->results = arena_calloc(&c->arena, (size_t)s->count, sizeof(*out->results));
		c->wants_close = out->results == NULL;
	}
	for (int32_t i = 0; s != NULL && i < s->count; i++) {
		if (!c->wants_close)
			out->results[out->results_count++] = (struct delete_groups_response_result){
				.group_id = s->items[i].ask.group, .error_code = (int16_t)s->items[i].error,
			};
		if (s->items[i].addr != NULL)
			partition_addr_unref(&s->items[i].addr);
	}
}

API_CODEC(delete_groups)

const struct api_row delete_groups_row = {
	.key = 42, .version_min = 0, .version_max = 2, .name = "DeleteGroups",
	.operation = ACL_DELETE, .resource = ACL_GROUP,
	API_CODEC_FIELDS(delete_groups),
	.begin = delete_groups_begin, .on_answer = delete_groups_on_answer, .end = delete_groups_end,
};
