/*
 * The consumer, in public types: what reads partitions (client/consumer.h) and what is a member of a group (client/group_member.h), brought together.
 *
 * What may be committed is what skein_next has handed out and the program has come back from: positions are only looked at when the program calls, never from a step.
 * A rebalance happens inside skein_next too: so the positions that are committed for a partition that goes are those up to which the program has dealt with it.
 */
#include <skein/consumer.h>

#include <stdlib.h>

#include "base/list.h"
#include "client/consumer.h"
#include "client/group_member.h"
#include "client/topic_pattern.h"
#include "libskein/libskein.h"

#define STEP_EVERY_MS 50	/* a program that finds records at once for a long time sends heartbeats all the same */

/* How far a partition's offset has been committed, or need not be. */
struct committed {
	struct list link;
	const char *topic;
	int32_t     partition;
	int64_t     offset;
};

struct skein_consumer {
	struct skein_client   *client;
	struct consumer       *reader;
	struct group_member   *member;		/* NULL: no group */
	struct group_member_spec member_spec;	/* its strings are ours */
	struct topic_pattern  *pattern;		/* what the member subscribes to; NULL: what it was told */
	mono_ms                pattern_ms;	/* so often it is looked what it matches */
	bool                   excludes_internal;
	int64_t                reset;		/* as in consumer_spec */
	bool                   commits_itself, has_failed;
	int32_t                commit_interval_ms;
	mono_ms                commit_at, step_at;
	skein_rebalance_fn    *on_rebalance;	/* may be NULL */
	void                  *arg;
	struct list            committed;	/* struct committed */
	struct group_partition *offsets;	/* what is being committed */
	int32_t                room;
	struct skein_header   *headers;
	int32_t                header_room;
	struct skein_error     error;		/* of the last event */
};

static mono_ms now_of(const struct skein_consumer *s)
{
	return os_mono_ms(client_os(s->client->client));
}

/* ---- life ---- */

static const char *fault_of(const struct group_member_spec *spec)
{
	if (spec->heartbeat_interval_ms >= spec->session_timeout_ms)
		return "heartbeat.interval.ms must be smaller than session.timeout.ms";
	return NULL;
}

enum skein_code skein_consumer_create(struct skein_consumer **out, struct skein_client *client, const struct skein_config *config, struct skein_error *error)
{
	FACE_NEEDS(out);
	FACE_NEEDS(client);

	const struct skein_config *c = config != NULL ? config : &client->config;
	struct consumer_spec spec = config_consumer_spec(c);
	struct group_member_spec member = config_member_spec(c);
	const char *fault = fault_of(&member);
	struct skein_consumer *s;

	*out = NULL;
	if (fault != NULL)
		return face_fail(error, SKEIN_INVALID, "%s", fault);
	s = mem_calloc(1, sizeof(*s));
	s->client = client;
	s->member_spec = member;
	s->member_spec.group = member.group != NULL ? mem_strdup(member.group) : NULL;
	s->member_spec.instance_id = member.instance_id != NULL ? mem_strdup(member.instance_id) : NULL;
	s->reset = spec.reset;
	s->commits_itself = c->commits_itself;
	s->pattern_ms = c->client.metadata_max_age_ms;
	s->excludes_internal = c->excludes_internal;
	s->commit_interval_ms = c->commit_interval_ms;
	list_init(&s->committed);
	consumer_create(&s->reader, client->client, &spec);
	*out = s;
	return face_ok(error);
}

void skein_consumer_destroy(struct skein_consumer **consumer)
{
	FACE_NEEDS(consumer);

	struct skein_consumer *s = *consumer;
	struct list *link;

	*consumer = NULL;
	if (s == NULL)
		return;
	group_member_destroy(&s->member);
	topic_pattern_destroy(&s->pattern);
	consumer_destroy(&s->reader);
	while ((link = list_pop_front(&s->committed)) != NULL)
		free(LIST_ENTRY(link, struct committed, link));
	free((char *)s->member_spec.group);
	free((char *)s->member_spec.instance_id);
	free(s->offsets);
	free(s->headers);
	free(s);
}

/* ---- what is to be committed ---- */

static struct committed *find_committed(const struct skein_consumer *s, const char *topic, int32_t partition)
{
	LIST_FOREACH(e, &s->committed) {
		struct committed *c = LIST_ENTRY(e, struct committed, link);

		if (c->partition == partition && c->topic == topic)
			return c;
	}
	return NULL;
}

static void set_committed(struct skein_consumer *s, const char *topic, int32_t partition, int64_t offset)
{
	struct committed *c = find_committed(s, topic, partition);

	if (c == NULL) {
		c = mem_calloc(1, sizeof(*c));
		c->topic = topic;
		c->partition = partition;
		list_push_front(&s->committed, &c->link);
	}
	c->offset = offset;
}

static void forget_committed(struct skein_consumer *s, const char *topic, int32_t partition)
{
	struct committed *c = find_committed(s, topic, partition);

	if (c == NULL)
		return;
	list_remove(&c->link);
	free(c);
}

static void make_room(struct skein_consumer *s, int32_t count)
{
	if (count <= s->room)
		return;
	s->room = MAX(count, 2 * s->room);
	s->offsets = mem_realloc_array(s->offsets, (size_t)s->room, sizeof(*s->offsets));
}

/* The place of a partition is news to the group. */
static bool is_news(const struct skein_consumer *s, const struct consumer_position *p)
{
	const struct committed *c = find_committed(s, p->topic, p->partition);

	return p->offset >= 0 && (c == NULL || c->offset != p->offset);
}

static int by_place(const void *a, const void *b)
{
	const struct group_partition *x = a, *y = b;

	return x->topic == y->topic ? (x->partition > y->partition) - (x->partition < y->partition) : strcmp(x->topic, y->topic);
}

/* Into s->offsets: of all partitions, or of those in the list, what is news. The offsets of a topic stand together. */
static int32_t list_offsets(struct skein_consumer *s, const struct group_partition *only, int32_t only_count)
{
	const struct consumer_partition *at = NULL;
	struct consumer_position p;
	int32_t n = 0;

	make_room(s, only != NULL ? only_count : skein_assignment(s, NULL, 0));
	for (int32_t i = 0; only != NULL && i < only_count; i++) {
		if (consumer_position(s->reader, only[i].topic, only[i].partition, &p) && is_news(s, &p))
			s->offsets[n++] = (struct group_partition){ p.topic, p.partition, p.offset, p.leader_epoch };
	}
	while (only == NULL && consumer_next_position(s->reader, &at, &p)) {
		if (is_news(s, &p))
			s->offsets[n++] = (struct group_partition){ p.topic, p.partition, p.offset, p.leader_epoch };
	}
	if (n > 0)
		qsort(s->offsets, (size_t)n, sizeof(*s->offsets), by_place);
	return n;
}

/* Sent is as good as committed: what fails is sent again, because an answer that says so forgets it (see forget_if_failed). */
static void note_sent(struct skein_consumer *s, int32_t count)
{
	for (int32_t i = 0; i < count; i++)
		set_committed(s, s->offsets[i].topic, s->offsets[i].partition, s->offsets[i].offset);
	s->commit_at = now_of(s) + s->commit_interval_ms;
}

static void forget_if_failed(struct skein_consumer *s)
{
	if (s->member == NULL || group_member_is_committing(s->member) || group_member_commit_error(s->member)->err == OK)
		return;
	LIST_FOREACH(e, &s->committed)
		LIST_ENTRY(e, struct committed, link)->offset = -1;
}

static enum skein_code start_commit(struct skein_consumer *s, struct skein_error *error)
{
	int32_t n;

	if (s->member == NULL)
		return face_fail(error, SKEIN_INVALID, "the consumer is in no group: skein_consumer_subscribe");
	if (group_member_is_committing(s->member))
		return face_fail(error, SKEIN_AGAIN, "group %s: a commit is under way", s->member_spec.group);
	forget_if_failed(s);
	n = list_offsets(s, NULL, 0);
	if (n > 0 && !group_member_commit(s->member, s->offsets, n))
		return face_fail(error, SKEIN_AGAIN, "group %s: it is rebalancing, or has no coordinator at the moment", s->member_spec.group);
	note_sent(s, n);
	face_touch(s->client);
	return face_ok(error);
}

/* ---- rebalances ---- */

static void tell(struct skein_consumer *s, enum skein_rebalance what, const struct group_partition *p, int32_t count)
{
	struct consumer_position position;
	struct skein_partition *told;

	if (s->on_rebalance == NULL)
		return;
	told = mem_calloc((size_t)count + 1, sizeof(*told));
	for (int32_t i = 0; i < count; i++) {
		told[i] = (struct skein_partition){ p[i].topic, p[i].partition, p[i].offset };
		if (what != SKEIN_ASSIGNED && consumer_position(s->reader, p[i].topic, p[i].partition, &position))
			told[i].offset = position.offset;
	}
	s->on_rebalance(s->arg, what, told, count);
	free(told);
}

static void take_partition(struct skein_consumer *s, const struct group_partition *p)
{
	struct client_error nowhere;

	if (p->offset >= 0) {
		consumer_assign(s->reader, p->topic, p->partition, p->offset);
		consumer_set_epoch(s->reader, p->topic, p->partition, p->leader_epoch);
		set_committed(s, p->topic, p->partition, p->offset);
		return;
	}
	consumer_assign(s->reader, p->topic, p->partition, s->reset != 0 ? s->reset : CONSUMER_LATEST);
	if (s->reset != 0)
		return;
	client_error_set(&nowhere, ERR_OUT_OF_RANGE, "%s/%d: group %s has committed no offset, and auto.offset.reset is none", p->topic, p->partition, s->member_spec.group);
	consumer_fail(s->reader, p->topic, p->partition, &nowhere);
}

static void take_partitions(struct skein_consumer *s, const struct group_partition *p, int32_t count)
{
	struct group_partition *come = mem_calloc((size_t)count + 1, sizeof(*come));	/* the callback may turn the group */

	for (int32_t i = 0; i < count; i++) {
		come[i] = p[i];
		take_partition(s, &come[i]);
	}
	s->commit_at = now_of(s) + s->commit_interval_ms;
	tell(s, SKEIN_ASSIGNED, come, count);
	free(come);
}

static void drop_partitions(struct skein_consumer *s, const struct group_partition *p, int32_t count)
{
	for (int32_t i = 0; i < count; i++) {
		consumer_unassign(s->reader, p[i].topic, p[i].partition);
		forget_committed(s, p[i].topic, p[i].partition);
	}
}

static void give_partitions(struct skein_consumer *s, const struct group_event *e)
{
	struct group_partition *gone = mem_calloc((size_t)e->count + 1, sizeof(*gone));	/* the callback may turn the group */
	int32_t count = e->count, n = 0;
	bool is_lost = e->kind == GROUP_LOST;

	for (int32_t i = 0; i < count; i++)
		gone[i] = e->partitions[i];
	tell(s, is_lost ? SKEIN_LOST : SKEIN_REVOKED, gone, count);
	if (!is_lost && s->commits_itself) {
		forget_if_failed(s);
		n = list_offsets(s, gone, count);
	}
	group_member_release(s->member, s->offsets, n);
	drop_partitions(s, gone, count);
	free(gone);
}

static void drop_everything(struct skein_consumer *s)
{
	const struct consumer_partition *at = NULL;
	struct consumer_position p;

	while (consumer_next_position(s->reader, &at, &p)) {
		consumer_unassign(s->reader, p.topic, p.partition);
		forget_committed(s, p.topic, p.partition);
		at = NULL;
	}
}

/* The member comes into being with the first answer, though that may name no topic. */
static void subscribe_matching(struct skein_consumer *s)
{
	struct group_member_spec spec = s->member_spec;

	spec.topics = topic_pattern_names(s->pattern);
	spec.topic_count = topic_pattern_count(s->pattern);
	if (s->member == NULL)
		group_member_create(&s->member, s->client->client, &spec);
	else
		group_member_subscribe(s->member, spec.topics, spec.topic_count);
}

/* What the group has to say. True: it is an event of the program's. */
static bool turn_group(struct skein_consumer *s, struct skein_event *event)
{
	struct group_event e;

	if (s->pattern != NULL && !s->has_failed && topic_pattern_changed(s->pattern))
		subscribe_matching(s);
	while (s->member != NULL && !s->has_failed && group_member_next(s->member, &e)) {
		switch (e.kind) {
		case GROUP_ASSIGNED: take_partitions(s, e.partitions, e.count); continue;
		case GROUP_REVOKED:
		case GROUP_LOST:     give_partitions(s, &e); continue;
		case GROUP_FAILED:   s->has_failed = true; break;
		case GROUP_TROUBLE:  break;
		}
		face_error(&s->error, e.error);
		*event = (struct skein_event){ .kind = s->has_failed ? SKEIN_BROKEN : SKEIN_TROUBLE, .partition = -1, .offset = -1, .timestamp = -1, .leader_epoch = -1,
					       .error = &s->error };
		if (s->has_failed)
			drop_everything(s);
		return true;
	}
	return false;
}

/* ---- reading ---- */

static void fill_headers(struct skein_consumer *s, const struct record *r, struct skein_event *event)
{
	struct slice rest = r->headers;
	struct record_header h;

	if (r->header_count > s->header_room) {
		s->header_room = MAX(r->header_count, 2 * s->header_room);
		s->headers = mem_realloc_array(s->headers, (size_t)s->header_room, sizeof(*s->headers));
	}
	while (event->header_count < r->header_count && record_header_next(&rest, &h))
		s->headers[event->header_count++] = (struct skein_header){ face_bytes(h.key), face_bytes(h.value) };
	event->headers = s->headers;
}

static void fill_event(struct skein_consumer *s, const struct consumer_event *e, struct skein_event *event)
{
	*event = (struct skein_event){ .topic = e->topic, .partition = e->partition, .offset = e->offset, .timestamp = -1, .leader_epoch = e->leader_epoch };
	switch (e->kind) {
	case CONSUMER_RECORD:
		event->kind = SKEIN_RECORD;
		event->key = face_bytes(e->record.key);
		event->value = face_bytes(e->record.value);
		event->timestamp = e->record.timestamp;
		event->is_append_time = e->is_append_time;
		if (e->record.header_count > 0)
			fill_headers(s, &e->record, event);
		return;
	case CONSUMER_END:
		event->kind = SKEIN_END;
		return;
	case CONSUMER_TROUBLE: event->kind = SKEIN_TROUBLE; break;
	case CONSUMER_FAILED:  event->kind = SKEIN_BROKEN; break;
	}
	face_error(&s->error, e->error);
	event->error = &s->error;
}

static bool next_at(struct skein_consumer *s, mono_ms now, struct skein_event *event)
{
	struct consumer_event e;

	if (turn_group(s, event))
		return true;
	if (s->member != NULL && s->commits_itself && now >= s->commit_at && start_commit(s, NULL) != SKEIN_OK)
		s->commit_at = now + 100;
	if (!consumer_next(s->reader, &e))
		return false;
	fill_event(s, &e, event);
	return true;
}

bool skein_next(struct skein_consumer *consumer, struct skein_event *event)
{
	FACE_NEEDS(consumer);
	FACE_NEEDS(event);

	bool is_there = next_at(consumer, consumer->member != NULL ? now_of(consumer) : 0, event);

	if (consumer_has_room(consumer->reader))
		face_touch(consumer->client);
	return is_there;
}

bool skein_next_wait(struct skein_consumer *consumer, int64_t timeout_ms, struct skein_event *event)
{
	FACE_NEEDS(consumer);
	FACE_NEEDS(event);

	struct client *c = consumer->client->client;
	mono_ms now = now_of(consumer), deadline = timeout_ms < 0 ? MONO_NEVER : now + timeout_ms;

	if (now >= consumer->step_at) {
		client_step(c, 0);
		consumer->step_at = now + STEP_EVERY_MS;
	}
	for (;;) {
		if (next_at(consumer, now, event))
			return true;
		if (now >= deadline || __atomic_exchange_n(&consumer->client->is_called_away, false, __ATOMIC_ACQUIRE))
			return false;
		client_step(c, deadline == MONO_NEVER ? -1 : deadline - now);
		now = now_of(consumer);
		consumer->step_at = now + STEP_EVERY_MS;
	}
}

/* ---- partitions, groups ---- */

static bool is_subscribed(const struct skein_consumer *s)
{
	return s->member != NULL || s->pattern != NULL;
}

enum skein_code skein_consumer_assign(struct skein_consumer *consumer, const char *topic, int32_t partition, int64_t start, struct skein_error *error)
{
	FACE_NEEDS(consumer);

	if (is_subscribed(consumer))
		return face_fail(error, SKEIN_INVALID, "the consumer subscribes: its group says what it reads");
	if (topic == NULL || *topic == '\0' || partition < 0 || start < SKEIN_EARLIEST)
		return face_fail(error, SKEIN_INVALID, "there is no place %lld in partition %d of topic \"%.100s\"", (long long)start, partition, topic != NULL ? topic : "");
	consumer_assign(consumer->reader, topic, partition, start);
	face_touch(consumer->client);
	return face_ok(error);
}

enum skein_code skein_consumer_unassign(struct skein_consumer *consumer, const char *topic, int32_t partition, struct skein_error *error)
{
	FACE_NEEDS(consumer);
	FACE_NEEDS(topic);

	if (is_subscribed(consumer))
		return face_fail(error, SKEIN_INVALID, "the consumer subscribes: its group says what it reads");
	if (!consumer_unassign(consumer->reader, topic, partition))
		return face_fail(error, SKEIN_NOT_FOUND, "%.200s/%d is not assigned", topic, partition);
	return face_ok(error);
}

static enum skein_code may_subscribe(struct skein_consumer *s, struct skein_error *error)
{
	if (s->member_spec.group == NULL || *s->member_spec.group == '\0')
		return face_fail(error, SKEIN_INVALID, "to subscribe takes a group: set group.id");
	if (is_subscribed(s) || skein_assignment(s, NULL, 0) > 0)
		return face_fail(error, SKEIN_INVALID, "the consumer subscribes already, or has partitions assigned by hand");
	return face_ok(error);
}

enum skein_code skein_consumer_subscribe(struct skein_consumer *consumer, const char *const *topics, int32_t topic_count, struct skein_error *error)
{
	FACE_NEEDS(consumer);
	FACE_NEEDS_LIST(topics, topic_count);

	struct group_member_spec spec = consumer->member_spec;
	enum skein_code code = may_subscribe(consumer, error);

	if (code != SKEIN_OK)
		return code;
	if (topic_count < 1)
		return face_fail(error, SKEIN_INVALID, "to subscribe takes a topic");
	for (int32_t i = 0; i < topic_count; i++) {
		if (topics[i] == NULL || *topics[i] == '\0')
			return face_fail(error, SKEIN_INVALID, "a topic needs a name");
	}
	spec.topics = topics;
	spec.topic_count = topic_count;
	group_member_create(&consumer->member, consumer->client->client, &spec);
	face_touch(consumer->client);
	return face_ok(error);
}

enum skein_code skein_consumer_subscribe_pattern(struct skein_consumer *consumer, const char *expression, struct skein_error *error)
{
	FACE_NEEDS(consumer);

	enum skein_code code = may_subscribe(consumer, error);
	char why[200];

	if (code != SKEIN_OK)
		return code;
	if (expression == NULL || *expression == '\0')
		return face_fail(error, SKEIN_INVALID, "to subscribe takes an expression");
	if (topic_pattern_create(&consumer->pattern, consumer->client->client, &expression, 1, !consumer->excludes_internal, consumer->pattern_ms, why) != OK)
		return face_fail(error, SKEIN_INVALID, "%s", why);
	face_touch(consumer->client);
	return face_ok(error);
}

void skein_consumer_on_rebalance(struct skein_consumer *consumer, skein_rebalance_fn *fn, void *arg)
{
	FACE_NEEDS(consumer);

	consumer->on_rebalance = fn;
	consumer->arg = arg;
}

static void tell_all_revoked(struct skein_consumer *s)
{
	const struct consumer_partition *at = NULL;
	struct consumer_position p;
	int32_t n = 0, count = skein_assignment(s, NULL, 0);
	struct group_partition *all = mem_calloc((size_t)count + 1, sizeof(*all));

	while (n < count && consumer_next_position(s->reader, &at, &p))
		all[n++] = (struct group_partition){ p.topic, p.partition, p.offset, p.leader_epoch };
	if (n > 0)
		tell(s, SKEIN_REVOKED, all, n);
	free(all);
}

enum skein_code skein_consumer_close(struct skein_consumer **consumer, int64_t timeout_ms, struct skein_error *error)
{
	FACE_NEEDS(consumer);

	struct skein_consumer *s = *consumer;
	struct client_error why;
	enum skein_code code = face_ok(error);
	int32_t n = 0;

	if (s == NULL)
		return code;
	if (s->member != NULL && !s->has_failed) {
		tell_all_revoked(s);
		forget_if_failed(s);
		if (s->commits_itself)
			n = list_offsets(s, NULL, 0);
		if (group_member_leave(s->member, s->offsets, n, timeout_ms, &why) != OK)
			code = face_error(error, &why);
	}
	skein_consumer_destroy(consumer);
	return code;
}

/* ---- commits ---- */

enum skein_code skein_commit(struct skein_consumer *consumer, struct skein_error *error)
{
	FACE_NEEDS(consumer);

	return start_commit(consumer, error);
}

static enum skein_code wait_for_commit(struct skein_consumer *s, mono_ms deadline, struct skein_error *error)
{
	while (group_member_is_committing(s->member)) {
		mono_ms now = now_of(s);

		if (now >= deadline)
			return face_fail(error, SKEIN_TIMED_OUT, "group %s: no answer to the commit in time", s->member_spec.group);
		client_step(s->client->client, deadline - now);
	}
	if (group_member_commit_error(s->member)->err != OK)
		return face_error(error, group_member_commit_error(s->member));
	return face_ok(error);
}

enum skein_code skein_commit_wait(struct skein_consumer *consumer, int64_t timeout_ms, struct skein_error *error)
{
	FACE_NEEDS(consumer);

	mono_ms deadline = now_of(consumer) + timeout_ms;
	enum skein_code code;

	while ((code = start_commit(consumer, error)) == SKEIN_AGAIN && now_of(consumer) < deadline)
		client_step(consumer->client->client, MIN(deadline - now_of(consumer), 50));
	return code == SKEIN_OK ? wait_for_commit(consumer, deadline, error) : code;
}

enum skein_code skein_commit_offsets_wait(struct skein_consumer *consumer, const struct skein_partition *offsets, int32_t count, int64_t timeout_ms,
					  struct skein_error *error)
{
	FACE_NEEDS(consumer);
	FACE_NEEDS_LIST(offsets, count);

	struct client *c = consumer->client->client;
	mono_ms deadline = now_of(consumer) + timeout_ms;
	struct consumer_position p;

	if (consumer->member == NULL)
		return face_fail(error, SKEIN_INVALID, "the consumer is in no group: skein_consumer_subscribe");
	make_room(consumer, count);
	for (int32_t i = 0; i < count; i++) {
		FACE_NEEDS(offsets[i].topic);
		if (!consumer_position(consumer->reader, offsets[i].topic, offsets[i].partition, &p))
			return face_fail(error, SKEIN_INVALID, "%.200s/%d is not assigned", offsets[i].topic, offsets[i].partition);
		if (offsets[i].offset < 0 || offsets[i].offset > p.offset)
			return face_fail(error, SKEIN_INVALID, "%.200s/%d: offset %lld cannot be committed: records up to %lld have been handed out", offsets[i].topic,
					 offsets[i].partition, (long long)offsets[i].offset, (long long)p.offset);
	}
	for (;;) {
		for (int32_t i = 0; i < count; i++) {
			(void)consumer_position(consumer->reader, offsets[i].topic, offsets[i].partition, &p);
			consumer->offsets[i] = (struct group_partition){ p.topic, p.partition, offsets[i].offset, -1 };
		}
		if (count > 0)
			qsort(consumer->offsets, (size_t)count, sizeof(*consumer->offsets), by_place);
		if (!group_member_is_committing(consumer->member) && group_member_commit(consumer->member, consumer->offsets, count))
			break;
		if (now_of(consumer) >= deadline)
			return face_fail(error, SKEIN_TIMED_OUT, "group %s: it is rebalancing, or has no coordinator at the moment", consumer->member_spec.group);
		client_step(c, MIN(deadline - now_of(consumer), 50));
	}
	note_sent(consumer, count);
	return wait_for_commit(consumer, deadline, error);
}

/* ---- places ---- */

static enum skein_code is_assigned(struct skein_consumer *s, bool is, const char *topic, int32_t partition, struct skein_error *error)
{
	if (!is)
		return face_fail(error, SKEIN_NOT_FOUND, "%.200s/%d is not assigned", topic, partition);
	face_touch(s->client);
	return face_ok(error);
}

enum skein_code skein_seek(struct skein_consumer *consumer, const char *topic, int32_t partition, int64_t to, struct skein_error *error)
{
	FACE_NEEDS(consumer);
	FACE_NEEDS(topic);

	if (to < SKEIN_EARLIEST)
		return face_fail(error, SKEIN_INVALID, "there is no place %lld in a partition", (long long)to);
	return is_assigned(consumer, consumer_seek(consumer->reader, topic, partition, to), topic, partition, error);
}

enum skein_code skein_seek_time(struct skein_consumer *consumer, const char *topic, int32_t partition, int64_t timestamp, struct skein_error *error)
{
	FACE_NEEDS(consumer);
	FACE_NEEDS(topic);

	if (timestamp < 0)
		return face_fail(error, SKEIN_INVALID, "a time before 1970");
	return is_assigned(consumer, consumer_seek_time(consumer->reader, topic, partition, timestamp), topic, partition, error);
}

enum skein_code skein_pause(struct skein_consumer *consumer, const char *topic, int32_t partition, struct skein_error *error)
{
	FACE_NEEDS(consumer);
	FACE_NEEDS(topic);

	return is_assigned(consumer, consumer_pause(consumer->reader, topic, partition, true), topic, partition, error);
}

enum skein_code skein_resume(struct skein_consumer *consumer, const char *topic, int32_t partition, struct skein_error *error)
{
	FACE_NEEDS(consumer);
	FACE_NEEDS(topic);

	return is_assigned(consumer, consumer_pause(consumer->reader, topic, partition, false), topic, partition, error);
}

enum skein_code skein_position(struct skein_consumer *consumer, const char *topic, int32_t partition, int64_t *offset, int64_t *high_watermark,
			       struct skein_error *error)
{
	FACE_NEEDS(consumer);
	FACE_NEEDS(topic);
	FACE_NEEDS(offset);

	struct consumer_position p;

	if (!consumer_position(consumer->reader, topic, partition, &p))
		return is_assigned(consumer, false, topic, partition, error);
	*offset = p.offset;
	if (high_watermark != NULL)
		*high_watermark = p.high_watermark;
	return face_ok(error);
}

int32_t skein_assignment(struct skein_consumer *consumer, struct skein_partition *out, int32_t room)
{
	FACE_NEEDS(consumer);
	FACE_NEEDS_LIST(out, room);

	const struct consumer_partition *at = NULL;
	struct consumer_position p;
	int32_t n = 0;

	for (; consumer_next_position(consumer->reader, &at, &p); n++) {
		if (n < room)
			out[n] = (struct skein_partition){ p.topic, p.partition, p.offset };
	}
	return n;
}
