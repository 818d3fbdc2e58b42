/*
 * DeleteTopics (20), by name or, from version 6 on, by id. The answer names what the request named,
 * an id only where the request gave it; a topic that is listed twice is answered twice.
 */
#include "api/api.h"
#include "wire/gen/delete_topics.h"

struct delete_state {
	/* one topic per entry of the request, in its order */
	struct controller_delete_topics *ask;
	/* what the answer says; null: unknown, or not to be revealed */
	struct slice                    *names;
};

/* An entry that names a topic in both ways fails the request as a whole. */
static bool is_ambiguous(const struct delete_topics_request *r)
{
	for (int32_t i = 0; i < r->topics_count; i++) {
		if (!slice_is_null(r->topics[i].name) && !uuid_is_zero(r->topics[i].topic_id))
			return true;
	}
	return false;
}

/*
 * The name behind an id comes from the picture, which may be gone when the answer is written: it is
 * copied.
 */
static enum kafka_error check_topic(struct call *c, const struct controller_old_topic *t,
                                    struct slice *name)
{
	const struct cluster_topic *known;

	*name = t->name;
	if (slice_is_null(t->name)) {
		if (uuid_is_zero(t->topic_id))
			return TOPIC_AUTHORIZATION_FAILED;
		known = cluster_topic_by_id(call_cluster(c), t->topic_id);
		if (known == NULL)
			return UNKNOWN_TOPIC_ID;
		struct slice found = slice_of(known->name, known->name_len);
		if (!call_authorize(c, ACL_DESCRIBE, ACL_TOPIC, found))
			return TOPIC_AUTHORIZATION_FAILED;
		*name = arena_copy(&c->arena, found);
		if (slice_is_null(*name))
			return UNKNOWN_SERVER_ERROR;
	}
	return call_authorize(c, ACL_DELETE, ACL_TOPIC, *name) ? NONE : TOPIC_AUTHORIZATION_FAILED;
}

static void delete_topics_begin(struct call *c)
{
	const struct delete_topics_request *r = c->request;
	int32_t n = c->version >= 6 ? r->topics_count : r->topic_names_count, refused = 0;
	struct delete_state *s = arena_calloc(&c->arena, 1, sizeof(*s));
	struct controller_old_topic *topics = arena_calloc(&c->arena, (size_t)n, sizeof(*topics));
	enum kafka_error whole = !api_is_controller(c) ? NOT_CONTROLLER
		: is_ambiguous(r) ? INVALID_REQUEST : NONE;

	c->state = s;
	if (s == NULL || topics == NULL ||
	    (s->names = arena_calloc(&c->arena, (size_t)n, sizeof(*s->names))) == NULL ||
	    (s->ask = call_message(c, sizeof(*s->ask), CONTROLLER_delete_topics)) == NULL) {
		c->wants_close = true;
		return;
	}
	s->ask->timeout_ms = r->timeout_ms;
	api_fill_payer(c, &s->ask->payer, 5);
	s->ask->topics = topics;
	s->ask->topic_count = n;
	for (int32_t i = 0; i < n; i++) {
		topics[i].name = c->version >= 6 ? r->topics[i].name : r->topic_names[i];
		topics[i].topic_id = c->version >= 6 ? r->topics[i].topic_id : UUID_ZERO;
		s->names[i] = topics[i].name;
		topics[i].error = whole != NONE ? whole
			: check_topic(c, &topics[i], &s->names[i]);
		refused += topics[i].error != NONE;
	}
	if (refused < n)
		call_ask(c, call_api(c)->controller, &s->ask->msg);
}

static void delete_topics_on_answer(struct call *c, struct msg *m)
{
	(void)c;
	(void)m;		/* filled in by end, from the message */
}

static void delete_topics_end(struct call *c)
{
	struct delete_state *s = c->state;
	struct delete_topics_response *out = c->response;

	if (c->wants_close)
		return;
	out->responses = arena_calloc(&c->arena, (size_t)s->ask->topic_count,
	                              sizeof(*out->responses));
	if (out->responses == NULL) {
		c->wants_close = true;
		return;
	}
	api_take_throttle(c, &s->ask->payer, &out->throttle_time_ms);
	for (; out->responses_count < s->ask->topic_count; out->responses_count++) {
		const struct controller_old_topic *t = &s->ask->topics[out->responses_count];
		bool is_old_client = t->error == TOPIC_DELETION_DISABLED && c->version < 3;

		out->responses[out->responses_count] = (struct delete_topics_response_response){
			.name = s->names[out->responses_count], .topic_id = t->topic_id,
			.error_code = (int16_t)(is_old_client ? INVALID_REQUEST : t->error),
		};
	}
}

API_CODEC(delete_topics)

const struct api_row delete_topics_row = {
	.key = 20, .version_min = 0, .version_max = 6, .name = "DeleteTopics",
	.operation = ACL_DELETE, .resource = ACL_TOPIC,
	API_CODEC_FIELDS(delete_topics),
	.begin = delete_topics_begin, .on_answer = delete_topics_on_answer,
	.end = delete_topics_end,
};
