/*
 * Consumer groups: the coordinators of this broker are asked, and what they say is compared with the offsets that partitions publish. Lag is known of partitions that have a
 * replica here; null elsewhere.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/console_priv.h"
#include "wire/gen/consumer_protocol_assignment.h"

#define LIST_BYTES   (1u << 20)	/* of one coordinator's answer */
#define OFFSETS_MAX  5000	/* of one coordinator, for the sums of the list */
#define GROUP_BYTES  (4u << 20)
#define ASSIGNED_MAX 1000	/* partitions told of one member */
#define NAME_MAX_SHOWN 500	/* bytes of a name that may stand in an address as it is */

static int64_t lag_of(const struct cluster *picture, struct slice topic, int32_t partition, int64_t committed, int64_t *end)
{
	const struct cluster_topic *t = cluster_topic(picture, topic);
	const struct cluster_partition *p = t != NULL ? cluster_topic_partition(t, partition) : NULL;
	const struct partition_addr *a = p != NULL ? console_replica(p) : NULL;

	*end = a != NULL ? partition_high_watermark(a) : -1;
	return a != NULL && committed >= 0 ? MAX(*end - committed, 0) : -1;
}

static void member_unless_unknown(struct strbuf *b, const char *name, int64_t n)
{
	json_name(b, name);
	if (n >= 0)
		json_i64(b, n);
	else
		json_str(b, NULL);
}

/* --- the list --------------------------------------------------------------------------------------------------- */

struct survey {			/* one coordinator */
	struct group_list      list;
	struct group_committed committed;
};

struct list_state {
	struct survey *surveys;
	int            count, elsewhere;
	bool           is_whole;
	struct part    part;
	char          *find;		/* in names; NULL: all */
};

struct line {
	const struct group_listing *g;
	const struct survey        *from;
};

static void list_free(void *state)
{
	struct list_state *s = state;

	for (int i = 0; i < s->count; i++) {
		arena_fini(&s->surveys[i].list.arena);
		arena_fini(&s->surveys[i].committed.arena);
	}
	free(s->surveys);
	free(s->find);
	free(s);
}

static int by_name(const void *a, const void *b)
{
	return slice_cmp(((const struct line *)a)->g->group, ((const struct line *)b)->g->group);
}

/* Long names, and those that are no text, cannot be asked for as they are shown. */
static void write_name(struct strbuf *b, struct slice name)
{
	json_member_text(b, "name", name);
	if (name.len > NAME_MAX_SHOWN || !json_is_text(name)) {
		json_name(b, "hex");
		json_hex(b, name);
	}
}

static void write_line(struct strbuf *b, const struct cluster *picture, const struct line *l)
{
	int64_t lag = 0, partitions = 0, unknown = 0, end;

	for (int32_t i = 0; i < l->from->committed.count; i++) {
		const struct group_committed_offset *o = &l->from->committed.offsets[i];

		if (!slice_eq(o->group, l->g->group))
			continue;
		int64_t n = lag_of(picture, o->topic, o->partition, o->offset, &end);
		partitions++;
		unknown += n < 0;
		lag += MAX(n, 0);
	}
	json_open(b, '{');
	write_name(b, l->g->group);
	json_member_str(b, "state", l->g->state);
	json_member_text(b, "protocol_type", l->g->protocol_type);
	json_member_i64(b, "partitions", partitions);
	json_member_i64(b, "lag", lag);
	json_member_i64(b, "lag_unknown", unknown);
	json_close(b, '}');
}

static bool is_wanted(const struct list_state *s, const struct group_listing *g)
{
	return s->find == NULL || (g->group.len > 0 && memmem(g->group.ptr, g->group.len, s->find, strlen(s->find)) != NULL);
}

static void list_write(struct inquiry *q, struct list_state *s, const struct line *lines, size_t n)
{
	struct strbuf *b = &q->text;

	json_open(b, '{');
	json_member_i64(b, "broker", q->w->picture->broker_id);
	json_member_i64(b, "time", q->w->now);
	json_member_i64(b, "coordinators_here", s->count);
	json_member_i64(b, "coordinators_elsewhere", s->elsewhere);
	json_member_bool(b, "whole", s->is_whole);
	json_member_u64(b, "found", n);
	json_member_i64(b, "from", s->part.from);
	json_name(b, "groups");
	json_open(b, '[');
	for (size_t i = (size_t)s->part.from; i < n && i < (size_t)(s->part.from + s->part.count); i++)
		write_line(b, q->w->picture, &lines[i]);
	json_close(b, ']');
	json_close(b, '}');
	q->is_done = true;
}

static void list_on_home(struct inquiry *q)
{
	struct list_state *s = q->state;
	size_t room = 1, n = 0;

	for (int i = 0; i < s->count; i++) {
		if (s->surveys[i].list.q.error != NONE)
			s->surveys[i].list.count = 0;
		if (s->surveys[i].committed.q.error != NONE)
			s->surveys[i].committed.count = 0;
		s->is_whole &= s->surveys[i].list.q.error == NONE && s->surveys[i].committed.q.error == NONE && s->surveys[i].committed.left_out == 0;
		room += (size_t)s->surveys[i].list.count;
	}
	struct line *lines = mem_calloc(room, sizeof(*lines));

	for (int i = 0; i < s->count; i++) {
		for (int32_t k = 0; k < s->surveys[i].list.count; k++) {
			if (is_wanted(s, &s->surveys[i].list.groups[k]))
				lines[n++] = (struct line){ &s->surveys[i].list.groups[k], &s->surveys[i] };
		}
	}
	qsort(lines, n, sizeof(*lines), by_name);
	list_write(q, s, lines, n);
	free(lines);
}

static void ask_coordinator(struct inquiry *q, struct list_state *s, struct partition_addr *a)
{
	struct survey *v = &s->surveys[s->count++];

	msg_init(&v->list.q.msg, GROUP_list, q->console->spec.actor);
	arena_init(&v->list.arena, LIST_BYTES);
	msg_init(&v->committed.q.msg, GROUP_committed, q->console->spec.actor);
	arena_init(&v->committed.arena, LIST_BYTES);
	v->committed.max = OFFSETS_MAX;
	if (!inquiry_ask(q, a, &v->list.q.msg))
		v->list.q.error = NOT_COORDINATOR;
	if (!inquiry_ask(q, a, &v->committed.q.msg))
		v->committed.q.error = NOT_COORDINATOR;
}

void console_groups(struct inquiry *q)
{
	const struct cluster_topic *t = cluster_topic(q->w->picture, slice_str(TOPIC_CONSUMER_OFFSETS));
	int32_t n = t != NULL ? t->partition_count : 0;
	struct slice find = argument(q, "find");
	struct part part;

	if (!argument_part(q, &part))
		return;
	struct list_state *s = mem_calloc(1, sizeof(*s));
	s->surveys = mem_calloc((size_t)n + 1, sizeof(*s->surveys));
	s->is_whole = true;
	s->part = part;
	s->find = find.len > 0 ? mem_strndup((const char *)find.ptr, find.len) : NULL;
	q->state = s;
	q->free_state = list_free;
	q->on_home = list_on_home;
	for (int32_t i = 0; i < n; i++) {
		struct partition_addr *a = console_replica(&t->partitions[i]);

		if (a != NULL && partition_is_leader(a))
			ask_coordinator(q, s, a);
		else
			s->elsewhere++;
	}
	if (q->out == 0)
		list_on_home(q);
}

/* --- one group ------------------------------------------------------------------------------------------------------- */

struct group_state {
	struct group_describe     describe;
	struct group_offset_fetch offsets;
	char                     *name;
	size_t                    name_len;
};

static void group_free(void *state)
{
	struct group_state *s = state;

	arena_fini(&s->describe.arena);
	arena_fini(&s->offsets.arena);
	free(s->name);
	free(s);
}

/* What a member was given, in the consumer protocol; nothing for groups of other kinds, and for what cannot be read. */
static void write_assignment(struct strbuf *b, struct slice bytes)
{
	struct consumer_protocol_assignment a = { .assigned_partitions_count = 0 };
	struct reader r = reader_of(bytes);
	int16_t version = bytes.len > 0 ? get_i16(&r) : -1;
	struct arena arena;
	int left = ASSIGNED_MAX;

	arena_init(&arena, GROUP_BYTES);
	if (version < 0 || r.failed || !consumer_protocol_assignment_decode(&a, &r, MIN(version, 3), &arena))
		a.assigned_partitions_count = 0;
	json_name(b, "assigned");
	json_open(b, '[');
	for (int32_t i = 0; i < a.assigned_partitions_count; i++) {
		json_open(b, '{');
		json_member_text(b, "topic", a.assigned_partitions[i].topic);
		json_name(b, "partitions");
		json_open(b, '[');
		for (int32_t k = 0; k < a.assigned_partitions[i].partitions_count && left > 0; k++, left--)
			json_i64(b, a.assigned_partitions[i].partitions[k]);
		json_close(b, ']');
		json_close(b, '}');
	}
	json_close(b, ']');
	arena_fini(&arena);
}

static void write_member(struct strbuf *b, const struct group_member_info *m, bool is_consumer)
{
	json_open(b, '{');
	json_member_text(b, "id", m->member_id);
	json_member_text(b, "instance", m->instance_id);
	json_member_text(b, "client", m->client_id);
	json_member_text(b, "host", m->client_host);
	write_assignment(b, is_consumer ? m->assignment : SLICE_NULL);
	json_close(b, '}');
}

static void write_offsets(struct strbuf *b, const struct cluster *picture, const struct group_offset_fetch *f)
{
	json_name(b, "offsets");
	json_open(b, '[');
	for (int32_t i = 0; i < MIN(f->count, OFFSETS_MAX); i++) {
		const struct group_offset *o = &f->offsets[i];
		int64_t end, lag = lag_of(picture, o->topic, o->partition, o->offset, &end);

		json_open(b, '{');
		json_member_text(b, "topic", o->topic);
		json_member_i64(b, "partition", o->partition);
		json_member_i64(b, "offset", o->offset);
		member_unless_unknown(b, "end", end);
		member_unless_unknown(b, "lag", lag);
		json_close(b, '}');
	}
	json_close(b, ']');
}

static void group_on_home(struct inquiry *q)
{
	struct group_state *s = q->state;
	struct strbuf *b = &q->text;

	if (s->describe.q.error != NONE || s->offsets.q.error != NONE) {
		inquiry_refuse(q, 503, "the group's coordinator does not answer now: it is loading, moving, or the group is too large to be shown");
		return;
	}
	json_open(b, '{');
	json_member_i64(b, "broker", q->w->picture->broker_id);
	json_member_i64(b, "time", q->w->now);
	write_name(b, slice_of(s->name, s->name_len));
	json_member_str(b, "state", s->describe.state);
	json_member_text(b, "protocol_type", s->describe.protocol_type);
	json_member_text(b, "protocol", s->describe.protocol);
	json_name(b, "members");
	json_open(b, '[');
	for (int32_t i = 0; i < s->describe.member_count; i++)
		write_member(b, &s->describe.members[i], slice_eq_str(s->describe.protocol_type, "consumer"));
	json_close(b, ']');
	write_offsets(b, q->w->picture, &s->offsets);
	json_close(b, '}');
	q->is_done = true;
}

static void ask_about_group(struct inquiry *q, struct partition_addr *a, struct slice name)
{
	struct group_state *s = mem_calloc(1, sizeof(*s));

	s->name = mem_strndup((const char *)name.ptr, name.len);
	s->name_len = name.len;
	q->state = s;
	q->free_state = group_free;
	q->on_home = group_on_home;
	msg_init(&s->describe.q.msg, GROUP_describe, q->console->spec.actor);
	s->describe.group = slice_of(s->name, s->name_len);
	arena_init(&s->describe.arena, GROUP_BYTES);
	msg_init(&s->offsets.q.msg, GROUP_offset_fetch, q->console->spec.actor);
	s->offsets.group = s->describe.group;
	s->offsets.wants_all = true;
	arena_init(&s->offsets.arena, GROUP_BYTES);
	if (!inquiry_ask(q, a, &s->describe.q.msg))
		s->describe.q.error = NOT_COORDINATOR;
	if (!inquiry_ask(q, a, &s->offsets.q.msg))
		s->offsets.q.error = NOT_COORDINATOR;
	if (q->out == 0)
		group_on_home(q);
}

static void find_group(struct inquiry *q, struct slice name)
{
	const struct cluster_topic *t = cluster_topic(q->w->picture, slice_str(TOPIC_CONSUMER_OFFSETS));
	char sentence[80];

	if (slice_is_null(name) || t == NULL || t->partition_count == 0) {
		inquiry_refuse(q, 404, "there is no such group");
		return;
	}
	const struct cluster_partition *p = cluster_topic_partition(t, cluster_coordinator_partition(name, t->partition_count));
	struct partition_addr *a = p != NULL ? console_replica(p) : NULL;
	if (a == NULL || !partition_is_leader(a)) {
		snprintf(sentence, sizeof(sentence), "the group's coordinator is broker %d", p != NULL ? p->leader : -1);
		inquiry_refuse(q, 421, sentence);
		return;
	}
	ask_about_group(q, a, name);
}

void console_group(struct inquiry *q)
{
	struct slice hex = argument(q, "hex"), name = argument(q, "name");
	struct strbuf bytes = STRBUF_INIT;

	if (slice_is_null(hex))
		find_group(q, name);
	else if (json_unhex(hex, &bytes))
		find_group(q, strbuf_slice(&bytes));
	else
		inquiry_refuse(q, 400, "hex must be pairs of hexadecimal digits");
	strbuf_fini(&bytes);
}
