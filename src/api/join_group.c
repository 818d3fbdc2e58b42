/*
 * JoinGroup (11). The group's coordinator parks the question until the group is complete; this connection waits with it.
 */
#include "api/api.h"
#include "group/group_msg.h"
#include "wire/gen/join_group.h"

struct join_state {
	struct partition_addr *addr;
	enum kafka_error       error;	/* before anybody was asked */
	bool                   is_asked;
	struct group_join      ask;
};

static bool fill_question(struct call *c, struct join_state *s)
{
	const struct join_group_request *r = c->request;
	struct group_protocol *protocols = arena_calloc(&c->arena, (size_t)r->protocols_count, sizeof(*protocols));
	char host[64];

	if (protocols == NULL)
		return false;
	for (int32_t i = 0; i < r->protocols_count; i++)
		protocols[i] = (struct group_protocol){ r->protocols[i].name, r->protocols[i].metadata };
	msg_init(&s->ask.q.msg, GROUP_join, network_actor(c->network));
	s->ask.caller = (struct group_caller){ .group = r->group_id, .member_id = r->member_id, .instance_id = r->group_instance_id, .generation = -1 };
	s->ask.client_id = c->client_id;
	s->ask.client_host = arena_printf(&c->arena, "/%s", call_peer_host(c, host));	/* as Java writes an address that has no name */
	s->ask.session_timeout_ms = r->session_timeout_ms;
	s->ask.rebalance_timeout_ms = r->rebalance_timeout_ms >= 0 ? r->rebalance_timeout_ms : r->session_timeout_ms;
	s->ask.protocol_type = r->protocol_type;
	s->ask.protocols = protocols;
	s->ask.protocol_count = r->protocols_count;
	s->ask.knows_member_id_required = c->version >= 4;
	s->ask.knows_skip_assignment = c->version >= 9;
	return !slice_is_null(s->ask.client_host);
}

static void join_group_begin(struct call *c)
{
	const struct join_group_request *r = c->request;
	struct join_state *s = arena_calloc(&c->arena, 1, sizeof(*s));

	c->state = s;
	if (s == NULL || !fill_question(c, s)) {
		c->wants_close = true;
		return;
	}
	arena_init(&s->ask.arena, API_GROUP_ANSWER_BYTES);
	s->ask.generation = -1;
	s->error = api_ask_group(c, ACL_READ, r->group_id, true, &s->ask.q, &s->addr);
	s->is_asked = s->error == NONE;
}

static void join_group_on_answer(struct call *c, struct msg *m)
{
	(void)m;
	((struct join_state *)c->state)->error = ((struct join_state *)c->state)->ask.q.error;
}

static bool fill_members(struct call *c, struct group_join *m, struct join_group_response *out)
{
	out->members = arena_calloc(&c->arena, (size_t)m->member_count, sizeof(*out->members));
	if (out->members == NULL)
		return false;
	for (; out->members_count < m->member_count; out->members_count++) {
		struct group_member_info *from = &m->members[out->members_count];

		if (!api_keep(c, &from->member_id) || !api_keep(c, &from->instance_id) || !api_keep(c, &from->metadata))
			return false;
		out->members[out->members_count] = (struct join_group_response_member){
			.member_id = from->member_id, .group_instance_id = c->version >= 5 ? from->instance_id : SLICE_NULL, .metadata = from->metadata,
		};
	}
	return true;
}

/* Up to version 6 no protocol is an empty name. */
static bool fill_response(struct call *c, struct join_state *s)
{
	const struct join_group_request *r = c->request;
	struct join_group_response *out = c->response;
	struct group_join *m = &s->ask;
	bool ok = s->error == NONE;

	out->error_code = (int16_t)s->error;
	out->generation_id = ok ? m->generation : -1;
	out->protocol_type = ok ? m->group_protocol_type : SLICE_NULL;
	out->protocol_name = ok ? m->protocol : SLICE_NULL;
	if (c->version < 7 && slice_is_null(out->protocol_name))
		out->protocol_name = SLICE_EMPTY;
	out->leader = ok ? m->leader : SLICE_EMPTY;
	out->member_id = s->is_asked && !slice_is_null(m->member_id) ? m->member_id : r->member_id;
	out->skip_assignment = ok && m->skips_assignment;
	return api_keep(c, &out->protocol_type) && api_keep(c, &out->protocol_name) && api_keep(c, &out->leader) && api_keep(c, &out->member_id) &&
	       (!ok || fill_members(c, m, out));
}

static void join_group_end(struct call *c)
{
	struct join_state *s = c->state;

	if (!c->wants_close && c->connection != NULL && !fill_response(c, s))
		c->wants_close = true;
	if (s == NULL)
		return;
	arena_fini(&s->ask.arena);
	if (s->addr != NULL)
		partition_addr_unref(&s->addr);
}

API_CODEC(join_group)

const struct api_row join_group_row = {
	.key = 11, .version_min = 0, .version_max = 9, .name = "JoinGroup",
	.operation = ACL_READ, .resource = ACL_GROUP,
	API_CODEC_FIELDS(join_group),
	.waits_for_news = true,
	.begin = join_group_begin, .on_answer = join_group_on_answer, .end = join_group_end,
};
