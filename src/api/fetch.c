/*
 * Fetch (1): sessions, limits, the long poll.
 *
 * A round looks at every wanted partition in order. One that has nothing new, by what it publishes,
 * is spared a message; the others are asked at once, all together, each for as much as it may give,
 * and the answers are cut to the request's budget in order afterwards: asking one after the other
 * would cost a hand-over per partition. Ranges of files come back, never bytes.
 *
 * If a round finds too little, the call parks: it stands at each partition it could read
 * (fetch_watch.h) until one has news or max_wait_ms is over; then the next round reads everything
 * again. What is in the answer is from one round.
 */
#include <stdlib.h>

#include "api/api.h"
#include "api/broker_view.h"
#include "api/fetch_session.h"
#include "api/fetch_watch.h"
#include "base/config_value.h"
#include "wire/gen/fetch.h"

#define ABORTED_ROOM 16		/* aborted transactions per partition before more room is taken */
#define LIGHT_READ_RECORDS 1000	/* so near the log's end what is read was just written: no device is waited for */
#define STAND_RETRY_MS 10	/* look again so soon when a partition could not take a watch */

struct fetch_item;
struct fetch_read {			/* a question, and whose it is */
	struct partition_read ask;
	struct fetch_item    *item;
};

struct fetch_item {
	struct fetch_want         *want;
	/* of the answer: name as asked, or empty with an id */
	struct slice               topic;
	struct partition_addr     *addr;	/* a reference; NULL: refused before reading */
	/* in a fetch_read, made at the first round that asks */
	struct partition_read     *read;
	bool                       has_range;	/* read->range.file is a reference of ours */
	struct fetch_stand         stand;
	bool                       is_in_sync;	/* the follower that asks, by the picture */
	bool                       is_throttled;	/* its bytes count for the throttle */
	bool                       is_held;	/* and it gets none in this round */
	/* result of the round */
	enum kafka_error           error;
	uint32_t                   len;		/* bytes given, after the budget */
	int64_t                    high_watermark, last_stable_offset, log_start_offset;
	int64_t                    log_end_offset;	/* before the round looked */
	int32_t                    preferred;		/* replica to read from; -1: this one */
	int32_t                    diverging_epoch;
	int64_t                    diverging_end_offset;
	int32_t                    leader_id, leader_epoch;
	struct log_aborted        *aborted;
	int                        aborted_count, aborted_max;
};

struct fetch_state {
	struct fetch_session *session;		/* token held; NULL: none */
	bool                  is_incremental;
	enum kafka_error      error;		/* of the whole */
	struct fetch_item    *items;
	int32_t               count;
	int32_t               replica_id;
	enum isolation        isolation;
	uint32_t              max_bytes, min_bytes;
	mono_ms               deadline, received;
	/* of a client whose rack is not this broker's: the leader chooses a replica for it */
	bool                  wants_choice;
	bool                  is_first_round, is_last_round;
	bool                  is_standing;
};

/* --- what is wanted --------------------------------------------------------------------------- */

static void want_update(struct fetch_want *w, const struct fetch_request_partition *p)
{
	w->noted_by = NULL;
	/* a follower in a new epoch has not looked at what was on its way to it in the old one */
	if (w->current_leader_epoch != p->current_leader_epoch)
		w->told_high_watermark = -1;
	w->fetch_offset = p->fetch_offset;
	w->max_bytes = p->partition_max_bytes;
	w->current_leader_epoch = p->current_leader_epoch;
	w->last_fetched_epoch = p->last_fetched_epoch;
	w->follower_log_start_offset = p->log_start_offset;
}

static void session_add_all(struct fetch_session *session, const struct fetch_request *r)
{
	bool is_new;

	for (int32_t t = 0; t < r->topics_count; t++) {
		for (int32_t p = 0; p < r->topics[t].partitions_count; p++) {
			const struct fetch_request_partition *part = &r->topics[t].partitions[p];

			want_update(fetch_session_want(session, r->topics[t].topic,
			                               r->topics[t].topic_id, part->partition,
			                               &is_new), part);
		}
	}
}

static void session_forget_all(struct fetch_session *session, const struct fetch_request *r)
{
	for (int32_t t = 0; t < r->forgotten_topics_data_count; t++) {
		const struct fetch_request_forgotten_topics_data *f = &r->forgotten_topics_data[t];

		for (int32_t p = 0; p < f->partitions_count; p++)
			fetch_session_forget(session, f->topic, f->topic_id, f->partitions[p]);
	}
}

static bool items_reserve(struct call *c, struct fetch_state *s, int32_t n)
{
	s->items = arena_calloc(&c->arena, (size_t)n, sizeof(*s->items));
	return s->items != NULL;
}

static bool items_from_session(struct call *c, struct fetch_state *s)
{
	if (!items_reserve(c, s, (int32_t)map_count(&s->session->wants)))
		return false;
	LIST_FOREACH(e, &s->session->order) {
		s->items[s->count].want = LIST_ENTRY(e, struct fetch_want, order);
		s->items[s->count].topic = s->items[s->count].want->topic;
		s->count++;
	}
	return true;
}

/*
 * Entries outside a session live in the call. A partition listed twice counts as its last entry,
 * with one answer.
 */
static bool items_from_request(struct call *c, struct fetch_state *s, const struct fetch_request *r)
{
	int32_t n = 0;
	bool ok = true;
	struct map seen = MAP_INIT;

	for (int32_t t = 0; t < r->topics_count; t++)
		n += MAX(r->topics[t].partitions_count, 0);
	if (!items_reserve(c, s, n))
		return false;
	for (int32_t t = 0; ok && t < r->topics_count; t++) {
		for (int32_t p = 0; ok && p < r->topics[t].partitions_count; p++) {
			const struct fetch_request_topic *topic = &r->topics[t];
			struct fetch_want *w = arena_alloc(&c->arena,
			                                   fetch_want_size(topic->topic,
			                                                   topic->topic_id));

			ok = w != NULL;
			if (!ok)
				break;
			fetch_want_init(w, topic->topic, topic->topic_id,
			                topic->partitions[p].partition);
			struct fetch_want *old = n > 1
				? map_get(&seen, slice_of(w->key, w->key_len)) : NULL;
			if (old != NULL)
				w = old;
			else if (n > 1)
				map_put(&seen, slice_of(w->key, w->key_len), w);
			want_update(w, &topic->partitions[p]);
			if (old == NULL) {
				s->items[s->count].want = w;
				s->items[s->count++].topic = w->topic;
			}
		}
	}
	map_fini(&seen);
	return ok;
}

/* Full fetches: the old session goes; epoch 0 asks for a new one. */
static bool begin_full(struct call *c, struct fetch_state *s, const struct fetch_request *r)
{
	struct fetch_sessions *sessions = call_api(c)->sessions;
	bool is_busy;

	if (r->session_id != 0) {
		struct fetch_session *old = fetch_session_take(sessions, r->session_id, &is_busy);

		if (old != NULL)
			fetch_session_remove(sessions, old);
	}
	if (r->session_epoch == 0 && c->version >= 7)
		s->session = fetch_session_create(sessions, c->version >= 13, s->replica_id >= 0,
		                                  call_now(c));
	if (s->session == NULL)
		return items_from_request(c, s, r);
	session_add_all(s->session, r);
	return items_from_session(c, s);
}

static enum kafka_error session_check(const struct fetch_session *session,
                                      const struct fetch_request *r, int16_t version)
{
	if (session->uses_ids != (version >= 13))
		return FETCH_SESSION_TOPIC_ID_ERROR;
	if (session->next_epoch != r->session_epoch)
		return INVALID_FETCH_SESSION_EPOCH;
	return NONE;
}

static bool begin_incremental(struct call *c, struct fetch_state *s, const struct fetch_request *r)
{
	bool is_busy;

	if (r->session_id == 0 || r->session_epoch < 0) {
		s->error = FETCH_SESSION_ID_NOT_FOUND;
		return true;
	}
	s->session = fetch_session_take(call_api(c)->sessions, r->session_id, &is_busy);
	if (s->session == NULL) {
		s->error = is_busy ? INVALID_FETCH_SESSION_EPOCH : FETCH_SESSION_ID_NOT_FOUND;
		return true;
	}
	s->error = session_check(s->session, r, c->version);
	if (s->error != NONE) {
		fetch_session_give(call_api(c)->sessions, s->session, s->session->used);
		s->session = NULL;
		return true;
	}
	session_add_all(s->session, r);
	session_forget_all(s->session, r);
	s->session->next_epoch = s->session->next_epoch == INT32_MAX ? 1
		: s->session->next_epoch + 1;
	s->is_incremental = true;
	/* nothing left: the session ends, the answer belongs to none */
	if (map_count(&s->session->wants) == 0) {
		fetch_session_remove(call_api(c)->sessions, s->session);
		s->session = NULL;
		s->is_incremental = false;
		return true;
	}
	return items_from_session(c, s);
}

/* --- a round ---------------------------------------------------------------------------------- */

static bool is_in_sync(const struct cluster_topic *topic, int32_t partition, int32_t broker)
{
	const struct cluster_partition *p = cluster_topic_partition(topic, partition);

	for (int32_t i = 0; p != NULL && i < p->isr_count; i++) {
		if (p->isr[i] == broker)
			return true;
	}
	return false;
}

/*
 * Replication throttling: a topic may name replicas whose leaders give followers so many bytes per
 * second, all together. While more has gone than allowed a follower that is not in sync gets none;
 * the bytes of those in sync count too.
 */
static void look_at_throttle(struct call *c, const struct fetch_state *s, struct fetch_item *it,
                             const struct cluster_topic *topic)
{
	struct throttle *t = &call_api(c)->leader_throttle;
	const char *list = s->replica_id >= 0
		? cluster_overrides_get(topic->overrides, "leader.replication.throttled.replicas")
		: NULL;

	if (list == NULL || !config_names_replica(slice_str(list), it->want->partition,
	                                          call_cluster(c)->broker_id))
		return;
	it->is_throttled = true;
	throttle_set_limit(t, broker_view_now(c)->config->leader_throttled_rate);
	it->is_held = throttle_is_exceeded(t, call_now(c)) && !it->is_in_sync;
}

static enum kafka_error resolve(struct call *c, struct fetch_state *s, struct fetch_item *it)
{
	const struct fetch_want *w = it->want;
	const struct cluster_topic *topic;

	if (c->version >= 13) {
		topic = cluster_topic_by_id(call_cluster(c), w->topic_id);
		if (topic == NULL)
			return UNKNOWN_TOPIC_ID;
	} else {
		topic = cluster_topic(call_cluster(c), w->topic);
		if (topic == NULL)
			return UNKNOWN_TOPIC_OR_PARTITION;
	}
	bool may = s->replica_id >= 0 ? call_authorize(c, ACL_CLUSTER_ACTION, ACL_CLUSTER,
	                                               SLICE_LIT("kafka-cluster"))
	                              : call_authorize(c, ACL_READ, ACL_TOPIC,
	                                               slice_of(topic->name, topic->name_len));
	if (!may)
		return TOPIC_AUTHORIZATION_FAILED;
	if (it->want->max_bytes < 0)
		return UNKNOWN_SERVER_ERROR;
	api_current_leader(topic, w->partition, &it->leader_id, &it->leader_epoch);
	enum kafka_error error = api_find_partition(c, topic, w->partition, &it->addr);
	if (error == NONE && c->version < 10 &&
	    topic->config.compression_type == COMPRESSION_ZSTD) {
		partition_addr_unref(&it->addr);
		return UNSUPPORTED_COMPRESSION_TYPE;
	}
	if (error == NONE && s->replica_id >= 0)
		it->is_in_sync = is_in_sync(topic, w->partition, s->replica_id);
	look_at_throttle(c, s, it, topic);
	return error;
}

static void item_reset(struct fetch_item *it)
{
	if (it->has_range && it->read->range.file != NULL)
		log_file_unref(&it->read->range.file);
	it->has_range = false;
	if (it->addr != NULL)
		partition_addr_unref(&it->addr);
	it->len = 0;
	it->error = NONE;
	it->high_watermark = it->last_stable_offset = it->log_start_offset = -1;
	it->preferred = -1;
	it->is_throttled = it->is_held = it->is_in_sync = false;
	it->diverging_epoch = -1;
	it->aborted_count = 0;
}

/*
 * A follower's first fetch from an offset tells the leader how far it has come: then the partition
 * is asked. It is spared what it has noted already, if nothing follows from hearing it again: who
 * is not in sync may be let in by it. Beyond that followers want what lies behind the log end; that
 * their log agrees was found when they were first heard, and holds as long as the epoch does.
 */
static bool is_quiet_for_follower(const struct fetch_state *s, const struct fetch_item *it)
{
	const struct fetch_want *w = it->want;
	bool is_told = !s->is_first_round || (w->noted_by == it->addr && it->is_in_sync);

	return is_told && w->current_leader_epoch == partition_leader_epoch(it->addr) &&
	       w->fetch_offset == it->log_end_offset &&
	       w->fetch_offset >= partition_log_start_offset(it->addr);
}

static bool is_quiet_for_consumer(const struct fetch_state *s, const struct fetch_item *it)
{
	const struct fetch_want *w = it->want;
	int64_t bound = s->isolation == ISOLATION_READ_COMMITTED
		? partition_last_stable_offset(it->addr) : partition_high_watermark(it->addr);

	if (s->wants_choice || w->last_fetched_epoch >= 0 ||
	    (w->current_leader_epoch >= 0 &&
	     w->current_leader_epoch != partition_leader_epoch(it->addr)))
		return false;
	return w->fetch_offset >= partition_log_start_offset(it->addr) &&
	       w->fetch_offset >= bound && w->fetch_offset <= it->log_end_offset;
}

/*
 * By what the partition publishes: nothing that this reader may see lies at or behind its offset,
 * and nothing is wrong.
 */
static bool is_quiet(const struct fetch_state *s, struct fetch_item *it)
{
	struct partition_addr *a = it->addr;
	int64_t high_watermark = partition_high_watermark(a);
	int64_t stable = partition_last_stable_offset(a);

	it->log_end_offset = partition_log_end_offset(a);
	if (!partition_is_leader(a) || !(s->replica_id >= 0 ? is_quiet_for_follower(s, it)
	                                 : is_quiet_for_consumer(s, it)))
		return false;
	it->high_watermark = high_watermark;
	it->last_stable_offset = stable;
	it->log_start_offset = partition_log_start_offset(a);
	return true;
}

/* Room for what the item's question brings back. False: the arena's limit. */
static bool item_make_room(struct call *c, const struct fetch_state *s, struct fetch_item *it)
{
	struct fetch_read *read = call_message(c, sizeof(*read), PARTITION_read);

	if (read == NULL)
		return false;
	read->item = it;
	it->read = &read->ask;
	if (s->isolation == ISOLATION_READ_COMMITTED) {
		it->aborted_max = ABORTED_ROOM;
		it->aborted = arena_calloc(&c->arena, ABORTED_ROOM, sizeof(*it->aborted));
	}
	if (s->wants_choice) {
		read->ask.choices_max = REPLICAS_MAX;
		read->ask.choices = arena_calloc(&c->arena, REPLICAS_MAX,
		                                 sizeof(*read->ask.choices));
	}
	return (it->aborted != NULL || s->isolation != ISOLATION_READ_COMMITTED) &&
	       (read->ask.choices != NULL || !s->wants_choice);
}

static bool item_ask(struct call *c, struct fetch_state *s, struct fetch_item *it)
{
	const struct fetch_want *w = it->want;

	if (it->read == NULL && !item_make_room(c, s, it))
		return false;
	struct partition_read *r = it->read;
	r->fetch_offset = w->fetch_offset;
	r->replica_id = s->replica_id;
	r->replica_epoch = ((struct fetch_request *)c->request)->replica_state.replica_epoch;
	r->follower_log_start_offset = w->follower_log_start_offset;
	r->current_leader_epoch = w->current_leader_epoch;
	r->last_fetched_epoch = w->last_fetched_epoch;
	r->isolation = s->isolation;
	r->any_replica = c->version >= 11;
	r->max_bytes = MIN((uint32_t)w->max_bytes, s->max_bytes);
	r->first_whole = true;
	r->topic_id = w->topic_id;
	r->aborted = it->aborted;
	r->aborted_max = it->aborted_max;
	r->is_first_look = s->is_first_round;
	r->follower_is_live = s->replica_id >= 0 &&
		cluster_broker(call_cluster(c), s->replica_id) != NULL;
	r->received = s->received;
	r->choices_count = 0;
	r->msg.is_light = it->log_end_offset - w->fetch_offset <= LIGHT_READ_RECORDS;
	if (!call_ask_partition(c, it->addr, &r->msg))
		it->error = NOT_LEADER_OR_FOLLOWER;
	return true;
}

static void stop_standing(struct fetch_state *s)
{
	for (int32_t i = 0; s->is_standing && i < s->count; i++)
		fetch_stand_leave(&s->items[i].stand);
	s->is_standing = false;
}

static void begin_round(struct call *c, struct fetch_state *s)
{
	stop_standing(s);
	for (int32_t i = 0; i < s->count; i++) {
		struct fetch_item *it = &s->items[i];

		item_reset(it);
		it->error = resolve(c, s, it);
		if (it->error == NONE && !is_quiet(s, it) && !item_ask(c, s, it)) {
			/* the arena's limit: a request of this size is not served */
			c->wants_close = true;
			return;
		}
	}
}

/* --- which replica a consumer had better read from (KIP-392) ----------------------------------- */

static bool has_rack(const struct cluster_broker *b, struct slice rack)
{
	return b != NULL && b->has_rack && slice_eq_str(rack, b->rack);
}

/*
 * Only a client whose rack is not this broker's, but another's, can be sent elsewhere: for all
 * others the leader, who alone chooses, would choose itself.
 */
static bool wants_choice(struct call *c, const struct fetch_request *r, int32_t replica_id)
{
	const struct cluster *cluster = call_cluster(c);
	bool is_elsewhere = false;

	if (!call_api(c)->broker->is_selector_rack_aware || c->version < 11 || replica_id >= 0 ||
	    r->rack_id.len == 0 ||
	    has_rack(cluster_broker(cluster, cluster->broker_id), r->rack_id))
		return false;
	for (int i = 0; i < cluster->broker_count; i++)
		is_elsewhere |= has_rack(&cluster->brokers[i], r->rack_id);
	return is_elsewhere;
}

/* The one that has most; of these the one that was last seen to have all; of these the last id. */
static bool is_better(const struct partition_reader_choice *a,
                      const struct partition_reader_choice *b)
{
	if (b == NULL || a->log_end_offset != b->log_end_offset)
		return b == NULL || a->log_end_offset > b->log_end_offset;
	if (a->caught_up != b->caught_up)
		return a->caught_up > b->caught_up;
	return a->broker_id > b->broker_id;
}

/* Of those in the client's rack that it can reach; -1: none. */
static int32_t choose_replica(struct call *c, const struct partition_read *r)
{
	const struct fetch_request *request = c->request;
	const struct partition_reader_choice *best = NULL;

	for (int i = 0; i < r->choices_count; i++) {
		const struct partition_reader_choice *choice = &r->choices[i];

		if (has_rack(cluster_broker(call_cluster(c), choice->broker_id),
		             request->rack_id) &&
		    api_endpoint(c, choice->broker_id) != NULL && is_better(choice, best))
			best = choice;
	}
	return best != NULL ? best->broker_id : -1;
}

static void item_take_answer(struct call *c, struct fetch_state *s, struct fetch_item *it)
{
	struct partition_read *r = it->read;

	it->error = r->error;
	if (r->error != NONE || r->diverging_epoch >= 0)
		it->want->noted_by = NULL;
	else if (s->replica_id >= 0 && r->is_first_look)
		it->want->noted_by = it->addr;
	it->has_range = r->range.file != NULL;
	it->high_watermark = r->high_watermark;
	it->last_stable_offset = r->last_stable_offset;
	it->log_start_offset = r->log_start_offset;
	it->diverging_epoch = r->diverging_epoch;
	it->diverging_end_offset = r->diverging_end_offset;
	it->aborted_count = r->aborted_count;
	if (r->error == NONE && r->diverging_epoch < 0)
		it->preferred = choose_replica(c, r);
	if (it->preferred >= 0 || (it->is_held && r->error == NONE)) {	/* nothing is read here */
		if (it->has_range)
			log_file_unref(&r->range.file);
		it->has_range = false;
		it->aborted_count = 0;
		return;
	}
	if (r->error == NOT_LEADER_OR_FOLLOWER || r->error == FENCED_LEADER_EPOCH) {
		it->leader_id = r->leader_id;
		it->leader_epoch = r->leader_epoch;
	}
	/* more than there was room for: once more, with room */
	if (r->aborted_count > r->aborted_max) {
		struct log_aborted *room = arena_calloc(&c->arena, (size_t)r->aborted_count,
		                                        sizeof(*room));

		if (room == NULL) {
			c->wants_close = true;
			return;
		}
		it->aborted = room;
		it->aborted_max = r->aborted_count;
		if (it->has_range)
			log_file_unref(&r->range.file);
		it->has_range = false;
		if (!item_ask(c, s, it))
			c->wants_close = true;
	}
}

/*
 * Cuts the ranges to the request's budget, in order. Before anything was given, a batch that is too
 * large comes whole (versions from 3 on).
 */
static uint64_t apply_budget(const struct call *c, struct fetch_state *s)
{
	uint64_t left = s->max_bytes, given = 0;

	for (int32_t i = 0; i < s->count; i++) {
		struct fetch_item *it = &s->items[i];

		it->len = 0;
		if (!it->has_range)
			continue;
		uint64_t limit = MIN((uint64_t)(uint32_t)it->want->max_bytes, left);
		uint32_t first = it->read->range.first_batch_bytes;
		if (first > limit)
			it->len = given == 0 && c->version >= 3 ? first : 0;
		else
			it->len = (uint32_t)MIN((uint64_t)it->read->range.len, limit);
		given += it->len;
		left -= MIN(left, it->len);
	}
	return given;
}

/*
 * Bytes that could be had, each partition capped as the request says: what min_bytes is compared
 * with.
 */
static uint64_t available(const struct fetch_state *s)
{
	uint64_t n = 0;

	for (int32_t i = 0; i < s->count; i++) {
		const struct fetch_item *it = &s->items[i];

		if (it->has_range)
			n += MIN(it->read->bytes_to_bound, (uint64_t)(uint32_t)it->want->max_bytes);
	}
	return n;
}

static bool must_answer_now(const struct fetch_state *s, uint64_t given)
{
	bool has_readable = false;

	for (int32_t i = 0; i < s->count; i++) {
		const struct fetch_item *it = &s->items[i];

		if (it->addr != NULL) {
			has_readable = true;
			if (it->error != NONE || it->diverging_epoch >= 0 || it->preferred >= 0 ||
			    (it->has_range && it->read->range.has_next_segment))
				return true;
		}
	}
	return !has_readable || given >= s->min_bytes || available(s) >= s->min_bytes;
}

static void stand_and_park(struct call *c, struct fetch_state *s)
{
	mono_ms until = s->deadline;

	s->is_standing = true;
	for (int32_t i = 0; i < s->count; i++) {
		struct fetch_item *it = &s->items[i];
		struct fetch_seen seen = {
			.high_watermark = it->high_watermark,
			.last_stable_offset = it->last_stable_offset, .log_end_offset = INT64_MIN,
		};

		if (it->addr == NULL)
			continue;
		seen.leader_epoch = partition_leader_epoch(it->addr);
		/* a follower waits for records only: watermarks alone do not wake it (KAFKA-9952) */
		if (s->replica_id >= 0)
			seen = (struct fetch_seen){ INT64_MIN, INT64_MIN, it->log_end_offset, seen.leader_epoch };
		if (!fetch_stand_at(api_slot(c)->watches, it->addr, &seen, &it->stand, c))
			until = MIN(until, call_now(c) + STAND_RETRY_MS);
		if (it->has_range && it->read->range.file != NULL)
			log_file_unref(&it->read->range.file);
		it->has_range = false;
	}
	call_park(c, until);
}

static void after_round(struct call *c, struct fetch_state *s)
{
	if (c->waiting > 0 || c->wants_close)
		return;
	uint64_t given = apply_budget(c, s);
	if (s->is_last_round || must_answer_now(s, given))
		return;
	stand_and_park(c, s);
}

/* --- the three functions of the row ----------------------------------------------------------- */

static void fetch_begin(struct call *c)
{
	const struct fetch_request *r = c->request;
	struct fetch_state *s = arena_calloc(&c->arena, 1, sizeof(*s));
	bool ok;

	c->state = s;
	if (s == NULL) {
		c->wants_close = true;
		return;
	}
	s->replica_id = c->version >= 15 ? r->replica_state.replica_id : r->replica_id;
	s->isolation = r->isolation_level == 1 && s->replica_id < 0 ? ISOLATION_READ_COMMITTED
		: ISOLATION_READ_UNCOMMITTED;
	s->max_bytes = (uint32_t)MIN(MAX(r->max_bytes, 0), call_api(c)->broker->fetch_max_bytes);
	s->min_bytes = (uint32_t)MIN((uint32_t)MAX(r->min_bytes, 0), s->max_bytes);
	s->wants_choice = wants_choice(c, r, s->replica_id);
	s->is_first_round = true;
	s->is_last_round = r->max_wait_ms <= 0;
	s->received = (mono_ms)(c->stage[STAGE_RECEIVED] / 1000000);
	s->deadline = call_now(c) + MAX(r->max_wait_ms, 0);
	if (c->version < 7 || r->session_epoch == -1 || r->session_epoch == 0)
		ok = begin_full(c, s, r);
	else
		ok = begin_incremental(c, s, r);
	if (!ok) {
		c->wants_close = true;
		return;
	}
	if (s->error == NONE && (r->isolation_level < 0 || r->isolation_level > 1 ||
	                         r->max_bytes < 0)) {
		for (int32_t i = 0; i < s->count; i++) {
			item_reset(&s->items[i]);
			s->items[i].error = UNKNOWN_SERVER_ERROR;
		}
		return;
	}
	if (s->error != NONE || s->count == 0)
		return;
	begin_round(c, s);
	after_round(c, s);
}

static void fetch_on_answer(struct call *c, struct msg *m)
{
	struct fetch_state *s = c->state;

	item_take_answer(c, s, CONTAINER_OF(m, struct fetch_read, ask.msg)->item);
	after_round(c, s);
}

static void fetch_on_wakeup(struct call *c)
{
	struct fetch_state *s = c->state;

	s->is_first_round = false;
	s->is_last_round = call_now(c) >= s->deadline || c->connection == NULL;
	begin_round(c, s);
	after_round(c, s);
}

/* An incremental answer holds only what has changed. */
static bool must_tell(const struct fetch_state *s, const struct fetch_item *it)
{
	const struct fetch_want *w = it->want;

	return !s->is_incremental || it->len > 0 || it->error != NONE || it->diverging_epoch >= 0 ||
	       it->preferred >= 0 || w->told_high_watermark != it->high_watermark ||
	       w->told_log_start_offset != it->log_start_offset;
}

static void remember_told(struct fetch_state *s, struct fetch_item *it)
{
	struct fetch_want *w = it->want;

	/* after an error the next healthy answer is told whatever it holds; a follower that is told to cut its log does not look at the watermark beside it */
	w->told_high_watermark = it->error != NONE || it->diverging_epoch >= 0 ? -1 : it->high_watermark;
	w->told_log_start_offset = it->log_start_offset;
	/* who had data goes to the end, so that the others get their turn */
	if (it->len > 0 && s->is_incremental) {
		list_remove(&w->order);
		list_push_back(&s->session->order, &w->order);
	}
}

static bool fill_aborted(struct call *c, const struct fetch_state *s, const struct fetch_item *it,
                         struct fetch_response_partition *out)
{
	bool never = it->error == UNKNOWN_TOPIC_OR_PARTITION || it->error == UNKNOWN_TOPIC_ID ||
		it->error == UNSUPPORTED_COMPRESSION_TYPE;

	out->aborted_transactions_count = -1;
	if (never || (it->error == NONE && s->isolation == ISOLATION_READ_COMMITTED &&
	              s->replica_id < 0 && it->preferred < 0))
		out->aborted_transactions_count = 0;
	if (it->error != NONE || it->len == 0 || it->aborted_count == 0)
		return true;
	out->aborted_transactions = arena_calloc(&c->arena, (size_t)it->aborted_count,
	                                         sizeof(*out->aborted_transactions));
	if (out->aborted_transactions == NULL)
		return false;
	out->aborted_transactions_count = it->aborted_count;
	for (int i = 0; i < it->aborted_count; i++)
		out->aborted_transactions[i] =
			(struct fetch_response_aborted_transaction){ it->aborted[i].producer_id,
			it->aborted[i].first_offset };
	return true;
}

static bool fill_partition(struct call *c, const struct fetch_state *s, struct fetch_item *it,
                           struct fetch_response_partition *out)
{
	fetch_response_partition_init(out);
	out->partition_index = it->want->partition;
	out->error_code = (int16_t)(it->error == KAFKA_STORAGE_ERROR && c->version <= 5
	                            ? NOT_LEADER_OR_FOLLOWER : it->error);
	out->high_watermark = it->high_watermark;
	out->last_stable_offset = it->last_stable_offset;
	out->log_start_offset = it->log_start_offset;
	out->preferred_read_replica = it->preferred;
	out->diverging_epoch.epoch = it->diverging_epoch;
	out->diverging_epoch.end_offset = it->diverging_epoch >= 0 ? it->diverging_end_offset : -1;
	if (c->version >= 16 && (it->error == NOT_LEADER_OR_FOLLOWER ||
	                         it->error == FENCED_LEADER_EPOCH)) {
		out->current_leader.leader_id = it->leader_id;
		out->current_leader.leader_epoch = it->leader_epoch;
	}
	out->records = (struct wire_records){ .ptr = (const uint8_t *)"", .len = 0 };
	if (it->len > 0) {
		out->records.len = it->len;
		/* net sends from it, and lets the file go */
		out->records.file = &it->read->range;
		out->records.file_pos = it->read->range.file_pos;
	}
	return fill_aborted(c, s, it, out);
}

static void fill_endpoints(struct call *c, const struct fetch_state *s, struct fetch_response *out)
{
	struct api_leaders leaders = { 0 };

	for (int32_t i = 0; c->version >= 16 && i < s->count; i++) {
		const struct fetch_item *it = &s->items[i];

		if (it->error == NOT_LEADER_OR_FOLLOWER || it->error == FENCED_LEADER_EPOCH)
			api_leaders_add(c, &leaders, it->leader_id);
	}
	if (leaders.count > 0)
		API_LEADERS_RESPOND(c, &leaders, out, fetch_response_node_endpoint);
}

/*
 * Consecutive partitions of one topic stand together; a topic may come again. Refused ones of a
 * sessionless fetch come last.
 */
static bool fill_response(struct call *c, struct fetch_state *s, uint64_t *bytes)
{
	struct fetch_response *out = c->response;
	struct fetch_response_partition *parts = arena_calloc(&c->arena, (size_t)s->count,
	                                                      sizeof(*parts));
	int32_t n = 0;

	out->responses = arena_calloc(&c->arena, (size_t)s->count, sizeof(*out->responses));
	if (parts == NULL || out->responses == NULL)
		return false;
	for (int pass = 0; pass < 2; pass++) {
		for (int32_t i = 0; i < s->count; i++) {
			struct fetch_item *it = &s->items[i];
			struct fetch_response_response *t = out->responses_count > 0
				? &out->responses[out->responses_count - 1] : NULL;
			bool is_refused = it->error != NONE && it->addr == NULL &&
				s->session == NULL;

			if (is_refused != (pass == 1) || !must_tell(s, it))
				continue;
			if (t == NULL || !slice_eq(t->topic, it->topic) ||
			    !uuid_eq(t->topic_id, it->want->topic_id)) {
				t = &out->responses[out->responses_count++];
				t->topic = it->topic;
				t->topic_id = it->want->topic_id;
				t->partitions = &parts[n];
			}
			if (!fill_partition(c, s, it, &parts[n]))
				return false;
			*bytes += it->len;
			n++;
			t->partitions_count++;
			if (s->session != NULL)
				remember_told(s, it);
		}
	}
	fill_endpoints(c, s, out);
	return true;
}

static void fetch_end(struct call *c)
{
	struct fetch_state *s = c->state;
	struct fetch_response *out = c->response;
	uint64_t bytes = 0, throttled = 0;

	if (s == NULL)
		return;
	stop_standing(s);
	out->error_code = (int16_t)s->error;
	out->session_id = s->session != NULL ? s->session->id : 0;
	if (c->connection == NULL)
		c->wants_close = true;
	if (s->error == NONE && !c->wants_close && !fill_response(c, s, &bytes))
		c->wants_close = true;
	for (int32_t i = 0; i < s->count; i++) {
		struct fetch_item *it = &s->items[i];

		throttled += it->is_throttled ? it->len : 0;
		if (it->has_range && (it->len == 0 || c->wants_close) &&
		    it->read->range.file != NULL)
			log_file_unref(&it->read->range.file);	/* those with bytes are net's now */
		if (it->addr != NULL)
			partition_addr_unref(&it->addr);
	}
	if (s->session != NULL && c->wants_close && c->connection != NULL)	/* too large to be served: it would only grow */
		fetch_session_remove(call_api(c)->sessions, s->session);
	else if (s->session != NULL)
		fetch_session_give(call_api(c)->sessions, s->session, call_now(c));
	if (throttled > 0)
		throttle_record(&call_api(c)->leader_throttle, call_now(c), throttled);
	call_book(c, 0, bytes);
}

API_CODEC(fetch)

const struct api_row fetch_row = {
	.key = 1, .version_min = 4, .version_max = 17, .serve_min = 4, .name = "Fetch",
	.operation = ACL_READ, .resource = ACL_TOPIC,
	API_CODEC_FIELDS(fetch),
	.begin = fetch_begin, .on_answer = fetch_on_answer, .on_wakeup = fetch_on_wakeup,
	.end = fetch_end,
};
