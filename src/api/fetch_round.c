/*
 * A round looks at every wanted partition in order. One that has nothing new, by what it publishes, is spared a message; the others are asked at once, all
 * together, each for as much as it may give, and the answers are cut to the request's budget in order afterwards: asking one after the other would cost a
 * hand-over per partition. Ranges of files come back, never bytes.
 */
#include "api/broker_view.h"
#include "api/fetch_priv.h"
#include "base/config_value.h"

#define ABORTED_ROOM 16		/* aborted transactions per partition before more room is taken */
#define LIGHT_READ_RECORDS 1000	/* so near the log's end what is read was just written: no device is waited for */
#define STAND_RETRY_MS 10	/* look again so soon when a partition could not take a watch */

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

void fetch_item_reset(struct fetch_item *it)
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
	r->msg.is_light = w->fetch_offset >= it->log_end_offset - LIGHT_READ_RECORDS;
	if (!call_ask_partition(c, it->addr, &r->msg))
		it->error = NOT_LEADER_OR_FOLLOWER;
	return true;
}

void fetch_round_leave(struct fetch_state *s)
{
	for (int32_t i = 0; s->is_standing && i < s->count; i++)
		fetch_stand_leave(&s->items[i].stand);
	s->is_standing = false;
}

void fetch_round_begin(struct call *c, struct fetch_state *s)
{
	fetch_round_leave(s);
	for (int32_t i = 0; i < s->count; i++) {
		struct fetch_item *it = &s->items[i];

		fetch_item_reset(it);
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
bool fetch_wants_choice(struct call *c, const struct fetch_request *r, int32_t replica_id)
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

void fetch_round_answer(struct call *c, struct fetch_state *s, struct fetch_item *it)
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

void fetch_round_after(struct call *c, struct fetch_state *s)
{
	if (c->waiting > 0 || c->wants_close)
		return;
	uint64_t given = apply_budget(c, s);
	if (s->is_last_round || must_answer_now(s, given))
		return;
	stand_and_park(c, s);
}
