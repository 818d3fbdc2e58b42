/*
 * SyncGroup (14). Parked at the coordinator until the leader's assignment is stored.
 */
#include "api/api.h"
#include "group/group_msg.h"
#include "wire/gen/sync_group.h"

struct sync_state {
	struct partition_addr *addr;
	enum kafka_error       error;
	struct group_sync      ask;
};

static bool fill_question(struct call *c, struct sync_state *s)
{
	const struct sync_group_request *r = c->request;
	struct group_assignment *assignments = arena_calloc(&c->arena, (size_t)r->assignments_count, sizeof(*assignments));

	if (assignments == NULL)
		return false;
	for (int32_t i = 0; i < r->assignments_count; i++)
		assignments[i] = (struct group_assignment){ r->assignments[i].member_id, r->assignments[i].assignment };
	msg_init(&s->ask.q.msg, GROUP_sync, network_actor(c->network));
	s->ask.caller = (struct group_caller){
		.group = r->group_id, .member_id = r->member_id, .instance_id = r->group_instance_id, .generation = r->generation_id,
	};
	s->ask.protocol_type = r->protocol_type;
	s->ask.protocol = r->protocol_name;
	s->ask.assignments = assignments;
	s->ask.assignment_count = r->assignments_count;
	return true;
}

/* From version 5 on a member says what it believes the protocol to be. */
static bool says_protocol(const struct call *c)
{
	const struct sync_group_request *r = c->request;

	return c->version < 5 || (!slice_is_null(r->protocol_type) && !slice_is_null(r->protocol_name));
}

static void sync_group_begin(struct call *c)
{
	const struct sync_group_request *r = c->request;
	struct sync_state *s = arena_calloc(&c->arena, 1, sizeof(*s));

	c->state = s;
	if (s == NULL || !fill_question(c, s)) {
		c->wants_close = true;
		return;
	}
	arena_init(&s->ask.arena, API_GROUP_ANSWER_BYTES);
	s->error = !says_protocol(c) ? INCONSISTENT_GROUP_PROTOCOL : api_ask_group(c, ACL_READ, r->group_id, true, &s->ask.q, &s->addr);
}

static void sync_group_on_answer(struct call *c, struct msg *m)
{
	(void)m;
	((struct sync_state *)c->state)->error = ((struct sync_state *)c->state)->ask.q.error;
}

static void sync_group_end(struct call *c)
{
	struct sync_state *s = c->state;
	struct sync_group_response *out = c->response;

	if (!c->wants_close) {
		out->error_code = (int16_t)s->error;
		out->assignment = SLICE_EMPTY;
	}
	if (!c->wants_close && s->error == NONE) {
		out->protocol_type = s->ask.group_protocol_type;
		out->protocol_name = s->ask.group_protocol;
		out->assignment = s->ask.assignment;
		c->wants_close = !api_keep(c, &out->protocol_type) || !api_keep(c, &out->protocol_name) || !api_keep(c, &out->assignment);
	}
	if (s == NULL)
		return;
	arena_fini(&s->ask.arena);
	if (s->addr != NULL)
		partition_addr_unref(&s->addr);
}

API_CODEC(sync_group)

const struct api_row sync_group_row = {
	.key = 14, .version_min = 0, .version_max = 5, .name = "SyncGroup",
	.operation = ACL_READ, .resource = ACL_GROUP,
	API_CODEC_FIELDS(sync_group),
	.waits_for_news = true,
	.begin = sync_group_begin, .on_answer = sync_group_on_answer, .end = sync_group_end,
};
