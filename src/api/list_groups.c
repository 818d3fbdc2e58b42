/*
 * ListGroups (16): of this broker's coordinators, which are all asked. Who may describe the cluster sees all groups, others those they may describe. While a
 * coordinator is still reading its log the answer says so, with what is known.
 */
#include <strings.h>

#include "api/api.h"
#include "group/group_msg.h"
#include "wire/gen/list_groups.h"

#define TYPE_CLASSIC "classic"

struct list_item {
	struct partition_addr *addr;
	bool                   is_asked;
	struct group_list      ask;
};

struct list_state {
	struct list_item *items;	/* one per partition that is led here */
	int32_t           count;
};

static void begin_item(struct call *c, struct list_item *it, struct partition_addr *addr)
{
	msg_init(&it->ask.q.msg, GROUP_list, network_actor(c->network));
	arena_init(&it->ask.arena, API_GROUP_ANSWER_BYTES);
	it->addr = partition_addr_ref(addr);
	it->is_asked = call_ask_partition(c, it->addr, &it->ask.q.msg);
}

static void list_groups_begin(struct call *c)
{
	const struct cluster_topic *topic = cluster_topic(call_cluster(c), SLICE_LIT(TOPIC_CONSUMER_OFFSETS));
	struct list_state *s = arena_calloc(&c->arena, 1, sizeof(*s));
	int32_t n = topic != NULL ? topic->partition_count : 0;

	c->state = s;
	if (s == NULL || (s->items = arena_calloc(&c->arena, (size_t)n, sizeof(*s->items))) == NULL) {
		c->wants_close = true;
		return;
	}
	for (int32_t i = 0; i < n; i++) {
		struct counted *local = topic->partitions[i].local;
		struct partition_addr *addr = local != NULL ? CONTAINER_OF(local, struct partition_addr, counted) : NULL;

		if (addr != NULL && partition_is_leader(addr))
			begin_item(c, &s->items[s->count++], addr);
	}
}

static void list_groups_on_answer(struct call *c, struct msg *m)
{
	(void)c;
	(void)m;		/* looked at in end */
}

/* Whatever the case; an empty filter lets all pass. */
static bool passes(const struct slice *filter, int32_t count, const char *text)
{
	for (int32_t i = 0; i < count; i++) {
		if (filter[i].len == strlen(text) && strncasecmp((const char *)filter[i].ptr, text, filter[i].len) == 0)
			return true;
	}
	return count == 0;
}

static bool add_group(struct call *c, const struct group_listing *g, struct list_groups_response *out)
{
	struct list_groups_response_group *to = &out->groups[out->groups_count++];

	to->group_id = arena_copy(&c->arena, g->group);
	to->protocol_type = arena_copy(&c->arena, g->protocol_type);
	to->group_state = slice_str(g->state);
	to->group_type = SLICE_LIT(TYPE_CLASSIC);
	return !slice_is_null(to->group_id) && !slice_is_null(to->protocol_type);
}

static bool fill_response(struct call *c, struct list_state *s)
{
	const struct list_groups_request *r = c->request;
	struct list_groups_response *out = c->response;
	bool sees_all = call_authorize(c, ACL_DESCRIBE, ACL_CLUSTER, API_CLUSTER_NAME);
	int32_t n = 0;

	for (int32_t i = 0; i < s->count; i++) {
		bool counts = s->items[i].is_asked && s->items[i].ask.q.error != NOT_COORDINATOR;	/* it has moved meanwhile */

		s->items[i].ask.count = counts ? s->items[i].ask.count : 0;
		n += s->items[i].ask.count;
		if (counts && s->items[i].ask.q.error != NONE)
			out->error_code = (int16_t)s->items[i].ask.q.error;
	}
	out->groups = arena_calloc(&c->arena, (size_t)n, sizeof(*out->groups));
	if (out->groups == NULL)
		return false;
	if (!passes(r->types_filter, r->types_filter_count, TYPE_CLASSIC))
		return true;
	for (int32_t i = 0; i < s->count; i++) {
		for (int32_t k = 0; k < s->items[i].ask.count; k++) {
			const struct group_listing *g = &s->items[i].ask.groups[k];

			if (!passes(r->states_filter, r->states_filter_count, g->state) || (!sees_all && !call_authorize(c, ACL_DESCRIBE, ACL_GROUP, g->group)))
				continue;
			if (!add_group(c, g, out))
				return false;
		}
	}
	return true;
}

static void list_groups_end(struct call *c)
{
	struct list_state *s = c->state;

	if (!c->wants_close && c->connection != NULL && !fill_response(c, s))
		c->wants_close = true;
	for (int32_t i = 0; s != NULL && i < s->count; i++) {
		arena_fini(&s->items[i].ask.arena);
		partition_addr_unref(&s->items[i].addr);
	}
}

API_CODEC(list_groups)

const struct api_row list_groups_row = {
	.key = 16, .version_min = 0, .version_max = 5, .name = "ListGroups",
	.operation = ACL_DESCRIBE, .resource = ACL_CLUSTER,
	API_CODEC_FIELDS(list_groups),
	.begin = list_groups_begin, .on_answer = list_groups_on_answer, .end = list_groups_end,
};
