/*
 * OffsetFetch (9). From version 8 on a request is about several groups, before about one. Their coordinators are asked one after the other, and each answer is the call's own
 * before the next is asked for: so a request that names a group many times costs no more than the call's arena.
 *
 * An error of a group is at the group, with nothing else; version 1 has no place for it, so it stands at each partition that was asked for (Kafka answers nothing there, which
 * old clients take for a group without offsets). Version 0 reads the coordination store.
 */
#include "api/api.h"
#include "group/group_msg.h"
#include "wire/gen/offset_fetch.h"

/* A topic and its partitions, as every version asks for them. */
struct fetch_topic {
	struct slice   name;
	const int32_t *partitions;
	int32_t        count;
};

struct fetch_group {
	struct slice              name;
	enum kafka_error          error;
	bool                      wants_all;
	struct fetch_topic       *topics;
	int32_t                   topic_count, partition_count;
	struct group_offset      *offsets;	/* partition_count of them, in the request's order or, wants_all, as they were found */
	struct group_offset      *asked;	/* those of them that the coordinator is asked about */
};

struct fetch_state {
	struct fetch_group               *groups;
	int32_t                           count, at;	/* at: which of them is being asked about */
	struct partition_addr            *addr;
	struct group_offset_fetch         ask;
	struct controller_stored_offsets *store;	/* version 0 */
};

/* --- what is asked ---------------------------------------------------------------------------- */

static bool take_topics(struct call *c, struct fetch_group *g, const struct offset_fetch_request_topic *old, const struct offset_fetch_request_group_topic *topics,
                        int32_t count)
{
	g->wants_all = count < 0;
	g->topic_count = MAX(count, 0);
	g->topics = arena_calloc(&c->arena, (size_t)g->topic_count, sizeof(*g->topics));
	if (g->topics == NULL)
		return false;
	for (int32_t t = 0; t < g->topic_count; t++) {
		g->topics[t] = old != NULL ? (struct fetch_topic){ old[t].name, old[t].partition_indexes, old[t].partition_indexes_count }
			: (struct fetch_topic){ topics[t].name, topics[t].partition_indexes, topics[t].partition_indexes_count };
		g->partition_count += g->topics[t].count;
	}
	g->offsets = arena_calloc(&c->arena, (size_t)g->partition_count, sizeof(*g->offsets));
	g->asked = arena_calloc(&c->arena, (size_t)g->partition_count, sizeof(*g->asked));
	return g->offsets != NULL && g->asked != NULL;
}

static bool take_groups(struct call *c, struct fetch_state *s)
{
	const struct offset_fetch_request *r = c->request;

	s->count = c->version < 8 ? 1 : r->groups_count;
	s->groups = arena_calloc(&c->arena, (size_t)s->count, sizeof(*s->groups));
	if (s->groups == NULL)
		return false;
	for (int32_t i = 0; i < s->count; i++) {
		struct fetch_group *g = &s->groups[i];

		g->name = c->version < 8 ? r->group_id : r->groups[i].group_id;
		if (c->version < 8 ? !take_topics(c, g, r->topics, NULL, r->topics_count) : !take_topics(c, g, NULL, r->groups[i].topics, r->groups[i].topics_count))
			return false;
	}
	return true;
}

/* Fills in what is answered without asking anybody. How many are left to be asked about. */
static int32_t check_items(struct call *c, struct fetch_group *g)
{
	struct group_offset *o = g->offsets;
	int32_t left = 0;

	for (int32_t t = 0; t < g->topic_count; t++) {
		bool may_describe = call_authorize(c, ACL_DESCRIBE, ACL_TOPIC, g->topics[t].name);

		for (int32_t p = 0; p < g->topics[t].count; p++, o++) {
			*o = (struct group_offset){
				.topic = g->topics[t].name, .partition = g->topics[t].partitions[p], .offset = -1, .leader_epoch = -1, .metadata = SLICE_EMPTY,
				.error = may_describe ? NONE : TOPIC_AUTHORIZATION_FAILED,
			};
			if (may_describe)
				g->asked[left++] = *o;
		}
	}
	return left;
}

/* --- one group after the other ---------------------------------------------------------------- */

static bool keep(struct call *c, struct group_offset *o)
{
	return api_keep(c, &o->topic) && api_keep(c, &o->metadata);
}

/* What came back, into the places it was asked for. */
static bool take_asked(struct call *c, struct fetch_group *g)
{
	for (int32_t i = 0, at = 0; i < g->partition_count; i++) {
		if (g->offsets[i].error != NONE)
			continue;
		g->offsets[i] = g->asked[at++];
		if (!keep(c, &g->offsets[i]))
			return false;
	}
	return true;
}

/* Of all offsets of a group those of topics the caller may see. */
static bool take_visible(struct call *c, struct fetch_group *g, const struct group_offset_fetch *m)
{
	g->offsets = arena_calloc(&c->arena, (size_t)m->count, sizeof(*g->offsets));
	for (int32_t i = 0; g->offsets != NULL && i < m->count; i++) {
		struct group_offset *o = &g->offsets[g->partition_count];

		*o = m->offsets[i];
		if (!call_authorize(c, ACL_DESCRIBE, ACL_TOPIC, o->topic))
			continue;
		if (!keep(c, o))
			return false;
		g->partition_count++;
	}
	return g->offsets != NULL;
}

/* The topics of all that was found, which stand together. */
static bool take_found(struct call *c, struct fetch_group *g, const struct group_offset_fetch *m)
{
	if (!take_visible(c, g, m))
		return false;
	g->topics = arena_calloc(&c->arena, (size_t)g->partition_count, sizeof(*g->topics));
	if (g->topics == NULL)
		return false;
	for (int32_t i = 0; i < g->partition_count; i++) {
		if (i == 0 || !slice_eq(g->offsets[i].topic, g->offsets[i - 1].topic))
			g->topics[g->topic_count++].name = g->offsets[i].topic;
		g->topics[g->topic_count - 1].count++;
	}
	return true;
}

/* The group at hand is dealt with. */
static void take(struct call *c, enum kafka_error error)
{
	struct fetch_state *s = c->state;
	struct fetch_group *g = &s->groups[s->at++];

	g->error = error;
	if (error == NONE && !(g->wants_all ? take_found(c, g, &s->ask) : take_asked(c, g)))
		c->wants_close = true;
	arena_fini(&s->ask.arena);
	if (s->addr != NULL)
		partition_addr_unref(&s->addr);
}

static void ask_next(struct call *c)
{
	const struct offset_fetch_request *r = c->request;
	struct fetch_state *s = c->state;

	while (s->at < s->count && !c->wants_close && c->connection != NULL) {
		struct fetch_group *g = &s->groups[s->at];

		s->ask = (struct group_offset_fetch){
			.group = g->name, .wants_all = g->wants_all, .is_stable_required = r->require_stable, .offsets = g->asked, .count = check_items(c, g),
		};
		msg_init(&s->ask.q.msg, GROUP_offset_fetch, network_actor(c->network));
		arena_init(&s->ask.arena, API_GROUP_ANSWER_BYTES);
		enum kafka_error error = api_ask_group(c, ACL_DESCRIBE, g->name, false, &s->ask.q, &s->addr);
		if (error == NONE)
			return;
		take(c, error);
	}
}

/* --- the whole --------------------------------------------------------------------------------- */

static void ask_store(struct call *c, struct fetch_state *s)
{
	struct fetch_group *g = &s->groups[0];

	if (!call_authorize(c, ACL_DESCRIBE, ACL_GROUP, g->name)) {
		g->error = GROUP_AUTHORIZATION_FAILED;
		return;
	}
	s->store = call_message(c, sizeof(*s->store), CONTROLLER_stored_offsets);
	if (s->store == NULL || (s->store->offsets = arena_calloc(&c->arena, (size_t)g->partition_count, sizeof(*s->store->offsets))) == NULL) {
		c->wants_close = true;
		return;
	}
	check_items(c, g);
	s->store->group = g->name;
	for (int32_t i = 0; i < g->partition_count; i++) {
		struct group_offset *o = &g->offsets[i];
		const struct cluster_topic *known = cluster_topic(call_cluster(c), o->topic);

		if (o->error == NONE && (known == NULL || cluster_topic_partition(known, o->partition) == NULL))
			o->error = UNKNOWN_TOPIC_OR_PARTITION;
		if (o->error == NONE)
			s->store->offsets[s->store->count++] = (struct controller_stored_offset){ .topic = o->topic, .partition = o->partition };
	}
	if (s->store->count > 0)
		call_ask(c, call_api(c)->controller, &s->store->msg);
}

static void offset_fetch_begin(struct call *c)
{
	struct fetch_state *s = arena_calloc(&c->arena, 1, sizeof(*s));

	c->state = s;
	if (s == NULL || !take_groups(c, s))
		c->wants_close = true;
	else if (c->version == 0)
		ask_store(c, s);
	else
		ask_next(c);
}

static void take_stored(struct fetch_group *g, const struct controller_stored_offsets *m)
{
	for (int32_t i = 0, at = 0; i < g->partition_count; i++) {
		struct group_offset *o = &g->offsets[i];

		if (o->error != NONE)
			continue;
		o->error = m->offsets[at].error;
		o->offset = o->error == NONE ? m->offsets[at].offset : -1;
		at++;
	}
}

static void offset_fetch_on_answer(struct call *c, struct msg *m)
{
	struct fetch_state *s = c->state;

	if (s->store != NULL) {
		ASSERT(m == &s->store->msg);
		take_stored(&s->groups[0], s->store);
		return;
	}
	take(c, CONTAINER_OF(m, struct fetch_state, ask.q.msg)->ask.q.error);
	ask_next(c);
}

/* --- the answer ------------------------------------------------------------------------------- */

/* Both forms of the answer have the same fields, in structs of their own. */
#define FILL_TOPICS(c, g, out_topics, out_count, topic_type, partition_type) \
	do { \
		const struct group_offset *o_ = (g)->offsets; \
		(out_topics) = arena_calloc(&(c)->arena, (size_t)(g)->topic_count, sizeof(*(out_topics))); \
		if ((out_topics) == NULL) \
			return false; \
		(out_count) = (g)->topic_count; \
		for (int32_t t_ = 0; t_ < (g)->topic_count; t_++) { \
			struct topic_type *topic_ = &(out_topics)[t_]; \
			topic_->name = (g)->topics[t_].name; \
			topic_->partitions = arena_calloc(&(c)->arena, (size_t)(g)->topics[t_].count, sizeof(*topic_->partitions)); \
			if (topic_->partitions == NULL) \
				return false; \
			for (; topic_->partitions_count < (g)->topics[t_].count; o_++) \
				topic_->partitions[topic_->partitions_count++] = (struct partition_type){ \
					.partition_index = o_->partition, .committed_offset = o_->offset, \
					.committed_leader_epoch = o_->leader_epoch, .metadata = o_->metadata, \
					.error_code = (int16_t)o_->error, \
				}; \
		} \
	} while (0)

static bool fill_one(struct call *c, struct fetch_group *g)
{
	struct offset_fetch_response *out = c->response;

	for (int32_t i = 0; c->version < 2 && g->error != NONE && i < g->partition_count; i++)
		g->offsets[i] = (struct group_offset){ .partition = g->offsets[i].partition, .offset = -1, .leader_epoch = -1, .metadata = SLICE_EMPTY, .error = g->error };
	out->error_code = (int16_t)(c->version < 2 ? NONE : g->error);
	if (out->error_code != NONE)
		return true;
	FILL_TOPICS(c, g, out->topics, out->topics_count, offset_fetch_response_topic, offset_fetch_response_partition);
	return true;
}

static bool fill_group(struct call *c, struct fetch_group *g, struct offset_fetch_response_group *out)
{
	out->group_id = g->name;
	out->error_code = (int16_t)g->error;
	if (g->error != NONE)
		return true;
	FILL_TOPICS(c, g, out->topics, out->topics_count, offset_fetch_response_group_topic, offset_fetch_response_group_topic_partition);
	return true;
}

static bool fill_response(struct call *c, struct fetch_state *s)
{
	struct offset_fetch_response *out = c->response;

	if (c->version < 8)
		return fill_one(c, &s->groups[0]);
	out->groups = arena_calloc(&c->arena, (size_t)s->count, sizeof(*out->groups));
	if (out->groups == NULL)
		return false;
	for (; out->groups_count < s->count; out->groups_count++) {
		if (!fill_group(c, &s->groups[out->groups_count], &out->groups[out->groups_count]))
			return false;
	}
	return true;
}

static void offset_fetch_end(struct call *c)
{
	if (!c->wants_close && c->connection != NULL && !fill_response(c, c->state))
		c->wants_close = true;
}

API_CODEC(offset_fetch)

const struct api_row offset_fetch_row = {
	.key = 9, .version_min = 0, .version_max = 9, .name = "OffsetFetch",
	.operation = ACL_DESCRIBE, .resource = ACL_GROUP,
	API_CODEC_FIELDS(offset_fetch),
	.begin = offset_fetch_begin, .on_answer = offset_fetch_on_answer, .end = offset_fetch_end,
};
