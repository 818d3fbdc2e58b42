/*
 * Heartbeat (12).
 */
#include "api/api.h"
#include "group/group_msg.h"
#include "wire/gen/heartbeat.h"

struct heartbeat_state {
	struct partition_addr *addr;
	enum kafka_error       error;
	struct group_heartbeat ask;
};

static void heartbeat_begin(struct call *c)
{
	const struct heartbeat_request *r = c->request;
	struct heartbeat_state *s = arena_calloc(&c->arena, 1, sizeof(*s));

	c->state = s;
	if (s == NULL) {
		c->wants_close = true;
		return;
	}
	msg_init(&s->ask.q.msg, GROUP_heartbeat, network_actor(c->network));
	s->ask.q.msg.is_light = true;
	s->ask.caller = (struct group_caller){
		.group = r->group_id, .member_id = r->member_id, .instance_id = r->group_instance_id, .generation = r->generation_id,
	};
	s->error = api_ask_group(c, ACL_READ, r->group_id, true, &s->ask.q, &s->addr);
}

static void heartbeat_on_answer(struct call *c, struct msg *m)
{
	(void)m;
	((struct heartbeat_state *)c->state)->error = ((struct heartbeat_state *)c->state)->ask.q.error;
}

static void heartbeat_end(struct call *c)
{
	struct heartbeat_state *s = c->state;

	if (s == NULL)
		return;
	((struct heartbeat_response *)c->response)->error_code = (int16_t)s->error;
	if (s->addr != NULL)
		partition_addr_unref(&s->addr);
}

API_CODEC(heartbeat)

const struct api_row heartbeat_row = {
	.key = 12, .version_min = 0, .version_max = 4, .name = "Heartbeat",
	.operation = ACL_READ, .resource = ACL_GROUP,
	API_CODEC_FIELDS(heartbeat),
	.begin = heartbeat_begin, .on_answer = heartbeat_on_answer, .end = heartbeat_end,
};
