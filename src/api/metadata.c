/*
 * Metadata (3).
 *
 * The answer is read from the picture of the moment, but for one case: a topic that is asked for by
 * name, does not exist and may be created. Then the controller is asked first. Its answer comes
 * when this network actor uses a picture that holds the topic, so the client is told of the leader
 * at once; it need not come again, as it must with Kafka.
 *
 * And a moment's patience: when a leader has just closed its connection to us, as one does that was
 * killed, and the picture still names it, the answer waits, up to LOST_LEADER_MS, for a picture that
 * names another. Clients ask as soon as their connections break. Were they told of the dead one,
 * they would believe it, and come again after their backoff: half a second in librdkafka.
 * Who asks again on a connection that has served him for a while has likely just lost another: a
 * dying process closes its sockets one after the other, and ours may be behind his. So he is answered
 * a few milliseconds later than we could, with what we know then.
 *
 * Wishes are answered in the order of the request, a name or id that is listed twice once.
 */
#include <stdlib.h>

#include "api/api.h"
#include "base/map.h"
#include "replica/fetcher.h"
#include "wire/gen/metadata.h"

#define LOST_LEADER_MS    400	/* the client's other requests on this connection wait as well */
#define FIRST_LOOK_MS     5
#define LAST_LOOK_MS      40
#define SETTLED_MS        1000	/* so old is a connection that one asks on again */
#define SECOND_THOUGHT_MS 10
#define AUTO_CREATE_TIMEOUT_MS 30000

struct metadata_wish {
	struct slice name;		/* null: by id */
	struct uuid  id;
	enum kafka_error error;
	struct controller_new_topic *creation;	/* NULL: none asked for */
};

struct metadata_state {
	enum kafka_error                 error;	/* of the whole */
	struct metadata_wish            *wishes;
	int32_t                          count;
	bool                             wants_all;
	struct controller_create_topics *create;	/* NULL: nothing to create */
	mono_ms                          held_ms;	/* for a leader that may be dead */
	bool                             has_thought_again;
};

/* --- what is wanted --------------------------------------------------------------------------- */

static enum kafka_error check_request(const struct call *c, bool *uses_ids)
{
	const struct metadata_request *r = c->request;
	bool has_null = false;

	*uses_ids = false;
	for (int32_t i = 0; i < r->topics_count; i++) {
		has_null |= slice_is_null(r->topics[i].name);
		*uses_ids |= !uuid_is_zero(r->topics[i].topic_id);
	}
	if (c->version < 12)
		return has_null || *uses_ids ? INVALID_REQUEST : NONE;
	return has_null && !*uses_ids ? UNKNOWN_SERVER_ERROR : NONE;
}

/* The distinct wishes. As soon as one is by id, those by name do not count. */
static bool list_wishes(struct call *c, struct metadata_state *s, bool uses_ids)
{
	const struct metadata_request *r = c->request;
	struct map seen = MAP_INIT;

	s->wishes = arena_calloc(&c->arena, (size_t)MAX(r->topics_count, 0), sizeof(*s->wishes));
	if (s->wishes == NULL)
		return false;
	for (int32_t i = 0; i < r->topics_count; i++) {
		const struct metadata_request_topic *t = &r->topics[i];
		struct slice key = uses_ids ? slice_of(t->topic_id.bytes, sizeof(t->topic_id.bytes))
			: t->name;

		if ((uses_ids && uuid_is_zero(t->topic_id)) || map_get(&seen, key) != NULL)
			continue;
		s->wishes[s->count] = (struct metadata_wish){ .name = uses_ids ? SLICE_NULL
			: t->name, .id = t->topic_id };
		map_put(&seen, key, &s->wishes[s->count++]);
	}
	map_fini(&seen);
	return true;
}

/* --- creating what is missing ----------------------------------------------------------------- */

/* Not made here: internal topics whose coordinators we do not have. */
static bool may_be_made(struct slice name)
{
	return !topic_is_internal(name) || slice_eq_str(name, TOPIC_CONSUMER_OFFSETS);
}

static bool must_create(struct call *c, const struct metadata_wish *w)
{
	const struct metadata_request *r = c->request;

	return call_api(c)->broker->is_auto_create_enabled && r->allow_auto_topic_creation &&
	       !slice_is_null(w->name) && w->error == NONE &&
	       cluster_topic(call_cluster(c), w->name) == NULL && may_be_made(w->name);
}

static bool create_missing(struct call *c, struct metadata_state *s)
{
	int32_t n = 0;

	for (int32_t i = 0; i < s->count; i++)
		n += must_create(c, &s->wishes[i]);
	if (n == 0)
		return true;
	s->create = call_message(c, sizeof(*s->create), CONTROLLER_create_topics);
	struct controller_new_topic *topics = arena_calloc(&c->arena, (size_t)n, sizeof(*topics));
	if (s->create == NULL || topics == NULL)
		return false;
	s->create->topics = topics;
	s->create->is_automatic = true;
	api_fill_payer(c, &s->create->payer, PAYER_NEVER_STRICT);	/* it costs, and keeps nobody from metadata */
	s->create->timeout_ms = AUTO_CREATE_TIMEOUT_MS;
	for (int32_t i = 0; i < s->count; i++) {
		struct metadata_wish *w = &s->wishes[i];

		if (!must_create(c, w))
			continue;
		if (!call_authorize(c, ACL_CREATE, ACL_CLUSTER, API_CLUSTER_NAME) &&
		    !call_authorize(c, ACL_CREATE, ACL_TOPIC, w->name)) {
			w->error = TOPIC_AUTHORIZATION_FAILED;
			continue;
		}
		w->creation = &topics[s->create->topic_count++];
		*w->creation = (struct controller_new_topic){
			.name = w->name, .partitions = -1, .replication_factor = -1,
		};
		if (topic_is_internal(w->name) && !api_internal_topic(c, w->creation))
			return false;
	}
	if (s->create->topic_count > 0)
		call_ask(c, call_api(c)->controller, &s->create->msg);
	return true;
}

/* --- a leader that may be dead ----------------------------------------------------------------- */

static const struct cluster_topic *wished_topic(struct call *c, const struct metadata_wish *w)
{
	return slice_is_null(w->name) ? cluster_topic_by_id(call_cluster(c), w->id)
		: cluster_topic(call_cluster(c), w->name);
}

enum doubt { NO_DOUBT, MAY_LEARN, IN_DOUBT };	/* MAY_LEARN: others lead, and are there as far as we know */

/*
 * Whether or not the dead one is among the live brokers still: a new controller begins with telling
 * who is there, and elects leaders afterwards. In between there may be no leader at all.
 */
static enum doubt doubt_of(struct call *c, const struct metadata_state *s)
{
	const struct fetchers *fetchers = call_api(c)->fetchers;
	enum doubt doubt = NO_DOUBT;
	int32_t last = -1;		/* the leader that was looked at: neighbours often have the same */

	for (int32_t i = 0; fetchers != NULL && i < s->count; i++) {
		const struct cluster_topic *t = wished_topic(c, &s->wishes[i]);

		for (int32_t k = 0; t != NULL && k < t->partition_count; k++) {
			int32_t leader = t->partitions[k].leader;

			if (k > 0 && leader == last)
				continue;
			if (fetchers_have_lost(fetchers, leader, LOST_LEADER_MS))
				return IN_DOUBT;
			if (leader >= 0 && leader != call_cluster(c)->broker_id)
				doubt = MAY_LEARN;
			last = leader;
		}
	}
	return doubt;
}

/* Looks again after 5, 10, 20, 40 ms, and every 40 from then on: a crowd of clients asks at the same moment. */
static void hold_while_in_doubt(struct call *c, struct metadata_state *s)
{
	enum doubt doubt = doubt_of(c, s);
	mono_ms pause = SECOND_THOUGHT_MS;

	if (doubt == IN_DOUBT) {
		pause = MIN(MAX(s->held_ms, FIRST_LOOK_MS), LAST_LOOK_MS);
		s->held_ms += pause;
	} else if (doubt == NO_DOUBT || s->has_thought_again || s->held_ms > 0 || call_connection_age(c) < SETTLED_MS) {
		return;
	}
	s->has_thought_again = true;
	call_park(c, call_now(c) + pause);
}

static void metadata_on_wakeup(struct call *c)
{
	if (c->connection != NULL)
		hold_while_in_doubt(c, c->state);
}

static void metadata_begin(struct call *c)
{
	const struct metadata_request *r = c->request;
	struct metadata_state *s = arena_calloc(&c->arena, 1, sizeof(*s));
	bool uses_ids;

	c->state = s;
	if (s == NULL) {
		c->wants_close = true;
		return;
	}
	s->wants_all = r->topics_count < 0 || (c->version == 0 && r->topics_count == 0);
	s->error = check_request(c, &uses_ids);
	if (s->wants_all || s->error != NONE)
		return;
	if (!list_wishes(c, s, uses_ids)) {
		c->wants_close = true;
		return;
	}
	for (int32_t i = 0; i < s->count; i++) {
		struct metadata_wish *w = &s->wishes[i];

		if (!slice_is_null(w->name) && !call_authorize(c, ACL_DESCRIBE, ACL_TOPIC, w->name))
			w->error = TOPIC_AUTHORIZATION_FAILED;
	}
	if (!create_missing(c, s))
		c->wants_close = true;
	else
		hold_while_in_doubt(c, s);
}

static void metadata_on_answer(struct call *c, struct msg *m)
{
	(void)c;
	(void)m;		/* what came of it is looked at in end */
}

/* --- the answer ------------------------------------------------------------------------------- */

/*
 * Version 0 leaves out replicas whose broker cannot be reached on this listener; later versions
 * list all.
 */
static bool fill_ids(struct call *c, const int32_t *ids, int32_t n, int32_t **out,
                     int32_t *out_count)
{
	*out = (int32_t *)(uintptr_t)ids;	/* only read by the encoder */
	*out_count = n;
	if (c->version > 0)
		return true;
	*out_count = 0;
	*out = arena_calloc(&c->arena, (size_t)n, sizeof(**out));
	for (int32_t i = 0; *out != NULL && i < n; i++) {
		if (api_endpoint(c, ids[i]) != NULL)
			(*out)[(*out_count)++] = ids[i];
	}
	return *out != NULL;
}

static bool fill_partition(struct call *c, const struct cluster_partition *p,
                           struct metadata_response_partition *out)
{
	metadata_response_partition_init(out);
	out->partition_index = p->id;
	out->leader_epoch = p->leader_epoch;
	out->leader_id = p->leader;
	if (!fill_ids(c, p->replicas, p->replica_count, &out->replica_nodes,
	              &out->replica_nodes_count) ||
	    !fill_ids(c, p->isr, p->isr_count, &out->isr_nodes, &out->isr_nodes_count))
		return false;
	out->offline_replicas = (int32_t *)(uintptr_t)p->offline;
	out->offline_replicas_count = p->offline_count;
	if (api_endpoint(c, p->leader) == NULL) {
		bool is_alive = cluster_broker(call_cluster(c), p->leader) != NULL;

		out->leader_id = -1;
		out->error_code = is_alive && c->version >= 6 ? LISTENER_NOT_FOUND
			: LEADER_NOT_AVAILABLE;
	} else if (out->replica_nodes_count < p->replica_count ||
	           out->isr_nodes_count < p->isr_count) {
		out->error_code = REPLICA_NOT_AVAILABLE;
	}
	return true;
}

static bool fill_topic(struct call *c, const struct cluster_topic *t,
                       struct metadata_response_topic *out)
{
	const struct metadata_request *r = c->request;

	out->name = slice_of(t->name, t->name_len);
	out->topic_id = t->id;
	out->is_internal = t->is_internal;
	if (r->include_topic_authorized_operations)
		out->topic_authorized_operations =
			api_authorized_operations(c, ACL_TOPIC, out->name);
	out->partitions = arena_calloc(&c->arena, (size_t)t->partition_count,
	                               sizeof(*out->partitions));
	if (out->partitions == NULL)
		return false;
	for (int32_t i = 0; i < t->partition_count; i++) {
		if (!fill_partition(c, &t->partitions[i], &out->partitions[i]))
			return false;
	}
	out->partitions_count = t->partition_count;
	return true;
}

static enum kafka_error error_of_missing(const struct metadata_wish *w)
{
	char problem[512];

	if (w->creation != NULL && w->creation->error != NONE &&
	    w->creation->error != TOPIC_ALREADY_EXISTS)
		return w->creation->error == REQUEST_TIMED_OUT ? LEADER_NOT_AVAILABLE
			: w->creation->error;
	if (w->creation != NULL)
		return LEADER_NOT_AVAILABLE;
	if (topic_name_problem(w->name, problem, sizeof(problem)) != NULL)
		return INVALID_TOPIC_EXCEPTION;
	return UNKNOWN_TOPIC_OR_PARTITION;
}

static bool fill_wish(struct call *c, const struct metadata_wish *w,
                      struct metadata_response_topic *out)
{
	bool is_by_id = slice_is_null(w->name);
	const struct cluster_topic *t = wished_topic(c, w);

	metadata_response_topic_init(out);
	out->name = w->name;
	out->is_internal = !is_by_id && topic_is_internal(w->name);
	out->topic_id = is_by_id ? w->id : UUID_ZERO;
	if (w->error != NONE) {
		out->error_code = (int16_t)w->error;
		return true;
	}
	if (t == NULL) {
		out->error_code = (int16_t)(is_by_id ? UNKNOWN_TOPIC_ID : error_of_missing(w));
		return true;
	}
	if (is_by_id && !call_authorize(c, ACL_DESCRIBE, ACL_TOPIC,
	                                slice_of(t->name, t->name_len))) {
		out->error_code = TOPIC_AUTHORIZATION_FAILED;
		return true;
	}
	return fill_topic(c, t, out);
}

struct all_topics {
	struct call              *call;
	struct metadata_response *out;
	bool                      ok;
};

static void fill_one_of_all(void *arg, const struct cluster_topic *t)
{
	struct all_topics *all = arg;
	struct metadata_response_topic *out;

	if (!all->ok || !call_authorize(all->call, ACL_DESCRIBE, ACL_TOPIC,
	                                slice_of(t->name, t->name_len)))
		return;
	out = &all->out->topics[all->out->topics_count++];
	metadata_response_topic_init(out);
	all->ok = fill_topic(all->call, t, out);
}

static bool fill_topics(struct call *c, struct metadata_state *s)
{
	struct metadata_response *out = c->response;
	int32_t n = s->wants_all ? call_cluster(c)->topic_count : s->count;

	out->topics = arena_calloc(&c->arena, (size_t)n, sizeof(*out->topics));
	if (out->topics == NULL)
		return false;
	if (s->wants_all) {
		struct all_topics all = { .call = c, .out = out, .ok = true };

		cluster_each_topic(call_cluster(c), fill_one_of_all, &all);
		return all.ok;
	}
	for (; out->topics_count < n; out->topics_count++) {
		if (!fill_wish(c, &s->wishes[out->topics_count], &out->topics[out->topics_count]))
			return false;
	}
	return true;
}

static bool fill_brokers(struct call *c)
{
	struct metadata_response *out = c->response;
	const struct cluster *cluster = call_cluster(c);

	out->brokers = arena_calloc(&c->arena, (size_t)cluster->broker_count,
	                            sizeof(*out->brokers));
	if (out->brokers == NULL)
		return false;
	for (int i = 0; i < cluster->broker_count; i++) {
		const struct cluster_broker *b = &cluster->brokers[i];
		const struct cluster_endpoint *e = cluster_broker_endpoint(b, c->listener);

		if (e == NULL)
			continue;
		out->brokers[out->brokers_count++] = (struct metadata_response_broker){
			.node_id = b->id, .host = slice_str(e->host), .port = e->port,
			.rack = b->has_rack ? slice_str(b->rack) : SLICE_NULL,
		};
	}
	return true;
}

/* A whole request that fails is answered topic by topic, and with nothing about the cluster. */
static bool fill_failure(struct call *c, enum kafka_error error)
{
	const struct metadata_request *r = c->request;
	struct metadata_response *out = c->response;

	out->topics = arena_calloc(&c->arena, (size_t)MAX(r->topics_count, 0),
	                           sizeof(*out->topics));
	if (out->topics == NULL)
		return false;
	for (; out->topics_count < r->topics_count; out->topics_count++) {
		const struct metadata_request_topic *asked = &r->topics[out->topics_count];
		struct metadata_response_topic *t = &out->topics[out->topics_count];

		metadata_response_topic_init(t);
		t->error_code = (int16_t)error;
		t->name = slice_is_null(asked->name) ? SLICE_EMPTY : asked->name;
		t->topic_id = asked->topic_id;
	}
	return true;
}

static bool fill_response(struct call *c, struct metadata_state *s)
{
	const struct metadata_request *r = c->request;
	struct metadata_response *out = c->response;

	if (s->error != NONE)
		return fill_failure(c, s->error);
	out->cluster_id = slice_str(call_cluster(c)->cluster_id);
	out->controller_id = call_cluster(c)->controller_id;
	if (r->include_cluster_authorized_operations)
		out->cluster_authorized_operations = api_cluster_operations(c);
	return fill_brokers(c) && fill_topics(c, s);
}

static void metadata_end(struct call *c)
{
	struct metadata_state *s = c->state;

	if (s == NULL)
		return;
	if (!c->wants_close && c->connection != NULL && !fill_response(c, s))
		c->wants_close = true;
	for (int32_t i = 0; s->create != NULL && i < s->create->topic_count; i++)
		free(s->create->topics[i].message);
}

API_CODEC(metadata)

const struct api_row metadata_row = {
	.key = 3, .version_min = 0, .version_max = 12, .name = "Metadata",
	.operation = ACL_DESCRIBE, .resource = ACL_TOPIC,
	API_CODEC_FIELDS(metadata),
	.begin = metadata_begin, .on_answer = metadata_on_answer, .on_wakeup = metadata_on_wakeup,
	.end = metadata_end,
};
