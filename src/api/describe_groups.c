/*
 * DescribeGroups (15): each group by its coordinator, one after the other, and each answer is the call's own before the next is asked for: so a request that names a large
 * group many times costs no more than the call's arena.
 */
#include "api/api.h"
#include "group/group_msg.h"
#include "wire/gen/describe_groups.h"

struct describe_state {
	int32_t                at;	/* which group is being asked about */
	struct partition_addr *addr;
	struct group_describe  ask;
};

static bool fill_member(struct call *c, struct group_member_info *from, struct describe_groups_response_member *to)
{
	if (!api_keep(c, &from->member_id) || !api_keep(c, &from->instance_id) || !api_keep(c, &from->client_id) || !api_keep(c, &from->client_host) ||
	    !api_keep(c, &from->metadata) || !api_keep(c, &from->assignment))
		return false;
	*to = (struct describe_groups_response_member){
		.member_id = from->member_id, .group_instance_id = from->instance_id, .client_id = from->client_id, .client_host = from->client_host,
		.member_metadata = from->metadata, .member_assignment = from->assignment,
	};
	return true;
}

static bool fill_group(struct call *c, struct group_describe *m, struct slice group, enum kafka_error error)
{
	const struct describe_groups_request *r = c->request;
	struct describe_groups_response *response = c->response;
	struct describe_groups_response_group *out = &response->groups[response->groups_count++];

	describe_groups_response_group_init(out);
	out->group_id = group;
	out->error_code = (int16_t)error;
	out->group_state = out->protocol_type = out->protocol_data = SLICE_EMPTY;
	if (error != NONE)
		return true;
	if (r->include_authorized_operations)
		out->authorized_operations = api_authorized_operations(c, ACL_GROUP, out->group_id);
	out->group_state = slice_str(m->state);
	out->protocol_type = m->protocol_type;
	out->protocol_data = m->protocol;
	out->members = arena_calloc(&c->arena, (size_t)m->member_count, sizeof(*out->members));
	if (out->members == NULL || !api_keep(c, &out->protocol_type) || !api_keep(c, &out->protocol_data))
		return false;
	for (; out->members_count < m->member_count; out->members_count++) {
		if (!fill_member(c, &m->members[out->members_count], &out->members[out->members_count]))
			return false;
	}
	return true;
}

/* The group at hand is dealt with. */
static void take(struct call *c, enum kafka_error error)
{
	const struct describe_groups_request *r = c->request;
	struct describe_state *s = c->state;

	if (!fill_group(c, &s->ask, r->groups[s->at++], error))
		c->wants_close = true;
	arena_fini(&s->ask.arena);
	if (s->addr != NULL)
		partition_addr_unref(&s->addr);
}

static void ask_next(struct call *c)
{
	const struct describe_groups_request *r = c->request;
	struct describe_state *s = c->state;

	while (s->at < r->groups_count && !c->wants_close && c->connection != NULL) {
		s->ask = (struct group_describe){ .group = r->groups[s->at] };
		msg_init(&s->ask.q.msg, GROUP_describe, network_actor(c->network));
		arena_init(&s->ask.arena, API_GROUP_ANSWER_BYTES);
		enum kafka_error error = api_ask_group(c, ACL_DESCRIBE, s->ask.group, false, &s->ask.q, &s->addr);
		if (error == NONE)
			return;
		take(c, error);
	}
}

static void describe_groups_begin(struct call *c)
{
	const struct describe_groups_request *r = c->request;
	struct describe_groups_response *out = c->response;

	c->state = arena_calloc(&c->arena, 1, sizeof(struct describe_state));
	out->groups = arena_calloc(&c->arena, (size_t)r->groups_count, sizeof(*out->groups));
	if (c->state == NULL || out->groups == NULL)
		c->wants_close = true;
	else
		ask_next(c);
}

static void describe_groups_on_answer(struct call *c, struct msg *m)
{
	take(c, CONTAINER_OF(m, struct describe_state, ask.q.msg)->ask.q.error);
	ask_next(c);
}

API_CODEC(describe_groups)

const struct api_row describe_groups_row = {
	.key = 15, .version_min = 0, .version_max = 5, .name = "DescribeGroups",
	.operation = ACL_DESCRIBE, .resource = ACL_GROUP,
	API_CODEC_FIELDS(describe_groups),
	.begin = describe_groups_begin, .on_answer = describe_groups_on_answer, .end = api_nothing_left,
};
