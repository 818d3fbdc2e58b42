/*
 * CreatePartitions (37). A topic that is listed twice is refused, with one answer; the controller
 * does the rest.
 */
#include <stdlib.h>

#include "api/api.h"
#include "base/map.h"
#include "wire/gen/create_partitions.h"

struct more_state {
	struct controller_create_partitions *ask;	/* one topic per distinct name */
};

static bool fill_question(struct call *c, struct controller_more_partitions *m,
                          const struct create_partitions_request_topic *asked)
{
	struct controller_assignment *assignments =
		arena_calloc(&c->arena, (size_t)MAX(asked->assignments_count, 0),
		             sizeof(*assignments));

	if (assignments == NULL)
		return false;
	for (int32_t i = 0; i < asked->assignments_count; i++)
		assignments[i] = (struct controller_assignment){
			.brokers = asked->assignments[i].broker_ids,
			.broker_count = asked->assignments[i].broker_ids_count,
		};
	*m = (struct controller_more_partitions){
		.name = asked->name, .count = asked->count,
		.assignments = assignments, .assignment_count = asked->assignments_count,
	};
	if (!api_is_controller(c)) {
		m->error = NOT_CONTROLLER;
	} else if (!call_authorize(c, ACL_ALTER, ACL_TOPIC, asked->name)) {
		m->error = TOPIC_AUTHORIZATION_FAILED;
		m->message = mem_strdup("The topic authorization is failed.");
	}
	return true;
}

static void refuse_duplicate(struct controller_more_partitions *m)
{
	if (m->error == INVALID_REQUEST || m->error == NOT_CONTROLLER)
		return;
	free(m->message);
	m->error = INVALID_REQUEST;
	m->message = mem_strdup("Duplicate topic in request.");
}

static bool begin_all(struct call *c, struct more_state *s)
{
	const struct create_partitions_request *r = c->request;
	struct map seen = MAP_INIT;
	bool ok = true;

	s->ask = call_message(c, sizeof(*s->ask), CONTROLLER_create_partitions);
	if (s->ask == NULL)
		return false;
	s->ask->validate_only = r->validate_only;
	s->ask->timeout_ms = r->timeout_ms;
	api_fill_payer(c, &s->ask->payer, 3);
	s->ask->topics = arena_calloc(&c->arena, (size_t)r->topics_count, sizeof(*s->ask->topics));
	if (s->ask->topics == NULL)
		return false;

	for (int32_t i = 0; ok && i < r->topics_count; i++) {
		struct controller_more_partitions *m = map_get(&seen, r->topics[i].name);

		if (m != NULL) {
			refuse_duplicate(m);
			continue;
		}
		m = &s->ask->topics[s->ask->topic_count];
		ok = fill_question(c, m, &r->topics[i]);
		s->ask->topic_count += ok;
		map_put(&seen, r->topics[i].name, m);
	}
	map_fini(&seen);
	return ok;
}

static void create_partitions_begin(struct call *c)
{
	struct more_state *s = arena_calloc(&c->arena, 1, sizeof(*s));
	int32_t refused = 0;

	c->state = s;
	if (s == NULL || !begin_all(c, s)) {
		c->wants_close = true;
		return;
	}
	for (int32_t i = 0; i < s->ask->topic_count; i++)
		refused += s->ask->topics[i].error != NONE;
	if (refused < s->ask->topic_count)
		call_ask(c, call_api(c)->controller, &s->ask->msg);
}

static void create_partitions_on_answer(struct call *c, struct msg *m)
{
	(void)c;
	(void)m;		/* filled in by end, from the message */
}

static void create_partitions_end(struct call *c)
{
	struct more_state *s = c->state;
	struct create_partitions_response *out = c->response;
	int32_t n = s != NULL && s->ask != NULL ? s->ask->topic_count : 0;

	if (!c->wants_close) {
		out->results = arena_calloc(&c->arena, (size_t)n, sizeof(*out->results));
		c->wants_close = out->results == NULL;
		api_take_throttle(c, &s->ask->payer, &out->throttle_time_ms);
	}
	for (int32_t i = 0; i < n; i++) {
		struct controller_more_partitions *m = &s->ask->topics[i];
		struct slice message = api_take_message(c, &m->message);

		if (!c->wants_close)
			out->results[out->results_count++] = (struct create_partitions_response_result){
				.name = m->name, .error_code = (int16_t)m->error,
				.error_message = message,
			};
	}
}

API_CODEC(create_partitions)

const struct api_row create_partitions_row = {
	.key = 37, .version_min = 0, .version_max = 3, .name = "CreatePartitions",
	.operation = ACL_ALTER, .resource = ACL_TOPIC,
	API_CODEC_FIELDS(create_partitions),
	.begin = create_partitions_begin, .on_answer = create_partitions_on_answer,
	.end = create_partitions_end,
};
