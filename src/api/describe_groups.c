/*
 * DescribeGroups (15): each group by its coordinator, which are all asked at once.
 */
#include "api/api.h"
#include "group/group_msg.h"
#include "wire/gen/describe_groups.h"

#define ANSWER_BYTES (64u << 20)

struct describe_item {
	struct partition_addr *addr;
	enum kafka_error       error;	/* before anybody was asked */
	struct group_describe  ask;
};

struct describe_state {
	struct describe_item *items;	/* in the request's order */
	int32_t               count;
};

static void begin_item(struct call *c, struct describe_item *it, struct slice group)
{
	msg_init(&it->ask.q.msg, GROUP_describe, network_actor(c->network));
	it->ask.group = group;
	arena_init(&it->ask.arena, ANSWER_BYTES);
	it->error = !call_authorize(c, ACL_DESCRIBE, ACL_GROUP, group) ? GROUP_AUTHORIZATION_FAILED : api_find_group(c, group, &it->addr);
	if (it->error == NONE && !call_ask_partition(c, it->addr, &it->ask.q.msg))
		it->error = NOT_COORDINATOR;
}

static void describe_groups_begin(struct call *c)
{
	const struct describe_groups_request *r = c->request;
	struct describe_state *s = arena_calloc(&c->arena, 1, sizeof(*s));

	c->state = s;
	if (s == NULL || (s->items = arena_calloc(&c->arena, (size_t)r->groups_count, sizeof(*s->items))) == NULL) {
		c->wants_close = true;
		return;
	}
	for (; s->count < r->groups_count; s->count++)
		begin_item(c, &s->items[s->count], r->groups[s->count]);
}

static void describe_groups_on_answer(struct call *c, struct msg *m)
{
	struct describe_item *it = CONTAINER_OF(m, struct describe_item, ask.q.msg);

	(void)c;
	it->error = it->ask.q.error;
}

/* Out of the message's arena, which goes before the answer is encoded. */
static bool keep(struct call *c, struct slice *s)
{
	if (slice_is_null(*s))
		return true;
	*s = arena_copy(&c->arena, *s);
	return !slice_is_null(*s);
}

static bool fill_member(struct call *c, struct group_member_info *from, struct describe_groups_response_member *to)
{
	if (!keep(c, &from->member_id) || !keep(c, &from->instance_id) || !keep(c, &from->client_id) || !keep(c, &from->client_host) ||
	    !keep(c, &from->metadata) || !keep(c, &from->assignment))
		return false;
	*to = (struct describe_groups_response_member){
		.member_id = from->member_id, .group_instance_id = from->instance_id, .client_id = from->client_id, .client_host = from->client_host,
		.member_metadata = from->metadata, .member_assignment = from->assignment,
	};
	return true;
}

static bool fill_group(struct call *c, struct describe_item *it, struct describe_groups_response_group *out)
{
	const struct describe_groups_request *r = c->request;

	describe_groups_response_group_init(out);
	out->group_id = it->ask.group;
	out->error_code = (int16_t)it->error;
	out->group_state = out->protocol_type = out->protocol_data = SLICE_EMPTY;
	if (it->error != NONE)
		return true;
	if (r->include_authorized_operations)
		out->authorized_operations = api_authorized_operations(c, ACL_GROUP, out->group_id);
	out->group_state = slice_str(it->ask.state);
	out->protocol_type = it->ask.protocol_type;
	out->protocol_data = it->ask.protocol;
	out->members = arena_calloc(&c->arena, (size_t)it->ask.member_count, sizeof(*out->members));
	if (out->members == NULL || !keep(c, &out->protocol_type) || !keep(c, &out->protocol_data))
		return false;
	for (; out->members_count < it->ask.member_count; out->members_count++) {
		if (!fill_member(c, &it->ask.members[out->members_count], &out->members[out->members_count]))
			return false;
	}
	return true;
}

static bool fill_response(struct call *c, struct describe_state *s)
{
	struct describe_groups_response *out = c->response;

	out->groups = arena_calloc(&c->arena, (size_t)s->count, sizeof(*out->groups));
	if (out->groups == NULL)
		return false;
	for (; out->groups_count < s->count; out->groups_count++) {
		if (!fill_group(c, &s->items[out->groups_count], &out->groups[out->groups_count]))
			return false;
	}
	return true;
}

static void describe_groups_end(struct call *c)
{
	struct describe_state *s = c->state;

	if (!c->wants_close && c->connection != NULL && !fill_response(c, s))
		c->wants_close = true;
	for (int32_t i = 0; s != NULL && i < s->count; i++) {
		arena_fini(&s->items[i].ask.arena);
		if (s->items[i].addr != NULL)
			partition_addr_unref(&s->items[i].addr);
	}
}

API_CODEC(describe_groups)

const struct api_row describe_groups_row = {
	.key = 15, .version_min = 0, .version_max = 5, .name = "DescribeGroups",
	.operation = ACL_DESCRIBE, .resource = ACL_GROUP,
	API_CODEC_FIELDS(describe_groups),
	.begin = describe_groups_begin, .on_answer = describe_groups_on_answer, .end = describe_groups_end,
};
