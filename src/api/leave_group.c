/*
 * LeaveGroup (13): of one member, which is the whole answer, or from version 3 on of several, each with an answer of its own.
 */
#include "api/api.h"
#include "group/group_msg.h"
#include "wire/gen/leave_group.h"

struct leave_state {
	struct partition_addr *addr;
	enum kafka_error       error;
	struct group_leave     ask;
};

static bool fill_question(struct call *c, struct leave_state *s)
{
	const struct leave_group_request *r = c->request;

	msg_init(&s->ask.q.msg, GROUP_leave, network_actor(c->network));
	s->ask.group = r->group_id;
	s->ask.count = c->version < 3 ? 1 : r->members_count;
	s->ask.members = arena_calloc(&c->arena, (size_t)s->ask.count, sizeof(*s->ask.members));
	if (s->ask.members == NULL)
		return false;
	for (int32_t i = 0; i < s->ask.count; i++) {
		s->ask.members[i].member_id = c->version < 3 ? r->member_id : r->members[i].member_id;
		s->ask.members[i].instance_id = c->version < 3 ? SLICE_NULL : r->members[i].group_instance_id;
	}
	return true;
}

static void leave_group_begin(struct call *c)
{
	const struct leave_group_request *r = c->request;
	struct leave_state *s = arena_calloc(&c->arena, 1, sizeof(*s));

	c->state = s;
	if (s == NULL || !fill_question(c, s)) {
		c->wants_close = true;
		return;
	}
	s->error = api_ask_group(c, ACL_READ, r->group_id, true, &s->ask.q, &s->addr);
}

static void leave_group_on_answer(struct call *c, struct msg *m)
{
	(void)m;
	((struct leave_state *)c->state)->error = ((struct leave_state *)c->state)->ask.q.error;
}

static bool fill_response(struct call *c, struct leave_state *s)
{
	struct leave_group_response *out = c->response;

	out->error_code = (int16_t)(s->error == NONE && c->version < 3 ? s->ask.members[0].error : s->error);
	if (c->version < 3 || s->error != NONE)
		return true;
	out->members = arena_calloc(&c->arena, (size_t)s->ask.count, sizeof(*out->members));
	if (out->members == NULL)
		return false;
	for (; out->members_count < s->ask.count; out->members_count++)
		out->members[out->members_count] = (struct leave_group_response_member){
			.member_id = s->ask.members[out->members_count].member_id, .group_instance_id = s->ask.members[out->members_count].instance_id,
			.error_code = (int16_t)s->ask.members[out->members_count].error,
		};
	return true;
}

static void leave_group_end(struct call *c)
{
	struct leave_state *s = c->state;

	if (!c->wants_close && c->connection != NULL && !fill_response(c, s))
		c->wants_close = true;
	if (s != NULL && s->addr != NULL)
		partition_addr_unref(&s->addr);
}

API_CODEC(leave_group)

const struct api_row leave_group_row = {
	.key = 13, .version_min = 0, .version_max = 5, .name = "LeaveGroup",
	.operation = ACL_READ, .resource = ACL_GROUP,
	API_CODEC_FIELDS(leave_group),
	.begin = leave_group_begin, .on_answer = leave_group_on_answer, .end = leave_group_end,
};
