#include "http/lag.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/map.h"
#include "partition/partition.h"
#include "record/batch.h"

#define LOOK_KEEP_MS   300000		/* nobody has looked for so long: no more rounds */
#define READS_MAX      1000
#define READS_AT_ONCE  16
#define ANSWER_BYTES   (16u << 20)	/* of one coordinator, whatever the names are */

enum { HTTP_READ_HEADER = MSG_BASE_HTTP + 1 };

/* One coordinator, and what it said. */
struct survey {
	struct group_committed ask;
	struct partition_addr *addr;
	struct lag_place {
		int64_t records;
		time_ms waiting_since;
	} *places;			/* of ask.offsets */
};

struct round {
	struct survey *surveys;
	int            count;
	int64_t        left_out;
	struct map     waiting;		/* group, topic, partition -> struct known: what is known of the time */
};

struct known {
	int64_t offset;
	time_ms waiting_since;
	size_t  key_len;
	uint8_t key[];
};

/* The way to one timestamp. */
struct header_read {
	struct lag            *lag;
	struct partition_read  read;
	struct job             job;
	struct os             *os;
	struct partition_addr *addr;
	int                    survey, place;
	bool                   is_busy;
	uint8_t                header[BATCH_HEADER_SIZE];
	bool                   is_read;
};

struct lag {
	struct lag_spec    spec;
	struct round       shown, next;
	bool               is_running, is_compared;
	int                out;			/* messages of the round */
	int                reads;		/* begun in this round */
	int                at_survey, at_place;	/* where the next read is looked for */
	struct header_read reader[READS_AT_ONCE];
	mono_ms            looked_at, due;
};

/* --- rounds ------------------------------------------------------------------------------------------------ */

static void round_free(struct round *r)
{
	for (int i = 0; i < r->count; i++) {
		arena_fini(&r->surveys[i].ask.arena);
		free(r->surveys[i].places);
		if (r->surveys[i].addr != NULL)
			partition_addr_unref(&r->surveys[i].addr);
	}
	MAP_FOREACH(e, &r->waiting)
		free(e->value);
	map_fini(&r->waiting);
	free(r->surveys);
	*r = (struct round){ .count = 0 };
}

static struct partition_addr *replica_here(const struct cluster *picture, struct slice topic, int32_t partition)
{
	const struct cluster_topic *t = cluster_topic(picture, topic);
	const struct cluster_partition *p = t != NULL ? cluster_topic_partition(t, partition) : NULL;

	return p != NULL && p->local != NULL ? CONTAINER_OF(p->local, struct partition_addr, counted) : NULL;
}

static void ask_coordinator(struct lag *l, struct survey *s, struct partition_addr *addr)
{
	msg_init(&s->ask.q.msg, GROUP_committed, l->spec.actor);
	arena_init(&s->ask.arena, ANSWER_BYTES);
	s->ask.max = l->spec.series_max;
	s->addr = partition_addr_ref(addr);
	l->out += partition_ask(l->spec.actor, addr, &s->ask.q.msg);
}

static void round_begin(struct lag *l, const struct cluster *picture)
{
	const struct cluster_topic *t = cluster_topic(picture, slice_str(TOPIC_CONSUMER_OFFSETS));
	int32_t n = t != NULL ? t->partition_count : 0;

	l->is_running = true;
	l->reads = l->at_survey = l->at_place = 0;
	l->next = (struct round){ .surveys = mem_calloc((size_t)n + 1, sizeof(*l->next.surveys)) };
	map_init(&l->next.waiting);
	for (int32_t i = 0; i < n; i++) {
		struct partition_addr *addr = replica_here(picture, slice_str(TOPIC_CONSUMER_OFFSETS), t->partitions[i].id);

		if (addr != NULL && partition_is_leader(addr))
			ask_coordinator(l, &l->next.surveys[l->next.count++], addr);
	}
}

/* --- what is known of the time -------------------------------------------------------------------------------- */

static struct known *known_create(const struct group_committed_offset *o, time_ms waiting_since)
{
	struct known *k = mem_calloc(1, sizeof(*k) + o->group.len + o->topic.len + 9);
	uint8_t *p = k->key;

	k->offset = o->offset;
	k->waiting_since = waiting_since;
	store_be32(p, (uint32_t)o->partition);
	store_be32(p + 4, (uint32_t)o->group.len);	/* it may be of any bytes */
	p += 8;
	if (o->group.len > 0)
		memcpy(p, o->group.ptr, o->group.len);
	if (o->topic.len > 0)
		memcpy(p + o->group.len, o->topic.ptr, o->topic.len);
	k->key_len = 8 + o->group.len + o->topic.len;
	return k;
}

static void keep_time(struct lag *l, const struct group_committed_offset *o, time_ms waiting_since)
{
	struct known *k = known_create(o, waiting_since);

	free(map_put(&l->next.waiting, slice_of(k->key, k->key_len), k));
}

/* From the round before, if the group has committed nothing since. */
static time_ms known_time(const struct lag *l, const struct group_committed_offset *o)
{
	struct known *k = known_create(o, -1);
	const struct known *found = map_get(&l->shown.waiting, slice_of(k->key, k->key_len));

	free(k);
	return found != NULL && found->offset == o->offset ? found->waiting_since : -1;
}

/* --- comparing ------------------------------------------------------------------------------------------------- */

/* All coordinators have answered. Offsets of partitions are read after the commits: the lag is never too small. */
static void compare(struct lag *l, const struct cluster *picture)
{
	int64_t room = l->spec.series_max;

	for (int i = 0; i < l->next.count; i++) {
		struct survey *s = &l->next.surveys[i];

		if (s->ask.q.error != NONE)
			s->ask.count = s->ask.left_out = 0;
		int32_t fits = (int32_t)MIN(s->ask.count, room);
		l->next.left_out += s->ask.left_out + s->ask.count - fits;
		s->ask.count = fits;
		room -= fits;
		s->places = mem_calloc((size_t)s->ask.count + 1, sizeof(*s->places));
		for (int32_t k = 0; k < s->ask.count; k++) {
			const struct group_committed_offset *o = &s->ask.offsets[k];
			const struct partition_addr *addr = replica_here(picture, o->topic, o->partition);
			struct lag_place *p = &s->places[k];

			p->records = addr != NULL ? MAX(partition_high_watermark(addr) - MAX(o->offset, 0), 0) : -1;
			p->waiting_since = p->records > 0 ? known_time(l, o) : -1;
			if (p->waiting_since >= 0)
				keep_time(l, o, p->waiting_since);
		}
	}
}

/* --- the first unread record's time ------------------------------------------------------------------------------ */

static void read_header(struct job *j)
{
	struct header_read *r = CONTAINER_OF(j, struct header_read, job);
	size_t got = 0;

	r->is_read = os_pread(r->os, log_file_fd(r->read.range.file), r->header, sizeof(r->header), r->read.range.file_pos, &got) == OK && got == sizeof(r->header) &&
		log_file_generation(r->read.range.file) == r->read.range.generation;
}

static void reader_end(struct header_read *r)
{
	if (r->read.range.file != NULL)
		log_file_unref(&r->read.range.file);
	partition_addr_unref(&r->addr);
	r->is_busy = false;
}

static void begin_read(struct lag *l, struct header_read *r, struct partition_addr *addr, int64_t offset)
{
	*r = (struct header_read){ .lag = l, .os = sched_os(l->spec.actor->sched), .addr = partition_addr_ref(addr), .survey = l->at_survey, .place = l->at_place, .is_busy = true };
	msg_init(&r->read.msg, PARTITION_read, l->spec.actor);
	r->read.msg.context = r;
	r->read.fetch_offset = MAX(offset, partition_log_start_offset(addr));
	r->read.replica_id = REPLICA_DEBUG;
	r->read.any_replica = true;
	r->read.current_leader_epoch = r->read.last_fetched_epoch = -1;
	r->read.max_bytes = 1;
	r->read.first_whole = true;
	if (partition_ask(l->spec.actor, addr, &r->read.msg)) {
		l->out++;
		l->reads++;
	} else {
		reader_end(r);
	}
}

/* Moves on to the next place whose time is wanted and not known. False: there is none. */
static bool next_place(struct lag *l)
{
	for (; l->at_survey < l->next.count; l->at_survey++, l->at_place = 0) {
		const struct survey *s = &l->next.surveys[l->at_survey];

		for (; l->at_place < s->ask.count; l->at_place++) {
			if (s->places[l->at_place].records > 0 && s->places[l->at_place].waiting_since < 0)
				return true;
		}
	}
	return false;
}

static void begin_reads(struct lag *l, const struct cluster *picture)
{
	for (int i = 0; i < READS_AT_ONCE && l->reads < READS_MAX; i++) {
		while (!l->reader[i].is_busy && l->reads < READS_MAX && next_place(l)) {
			const struct group_committed_offset *o = &l->next.surveys[l->at_survey].ask.offsets[l->at_place];
			struct partition_addr *addr = replica_here(picture, o->topic, o->partition);

			if (addr != NULL)
				begin_read(l, &l->reader[i], addr, o->offset);
			l->at_place++;
		}
	}
}

static void on_range(struct lag *l, struct header_read *r)
{
	if (r->read.error != NONE || r->read.range.file == NULL || r->read.range.len == 0) {
		reader_end(r);
		return;
	}
	msg_init(&r->job.msg, HTTP_READ_HEADER, l->spec.actor);
	r->job.msg.context = r;
	r->job.run = read_header;
	workers_submit(l->spec.workers, l->spec.actor, &r->job);
	l->out++;
}

static void on_header(struct lag *l, struct header_read *r)
{
	struct survey *s = &l->next.surveys[r->survey];
	time_ms at = batch_is_log_append_time(r->header) ? batch_max_timestamp(r->header) : batch_base_timestamp(r->header);

	if (r->is_read && batch_magic(r->header) == BATCH_MAGIC && at >= 0) {
		s->places[r->place].waiting_since = at;
		keep_time(l, &s->ask.offsets[r->place], at);
	}
	reader_end(r);
}

/* --- the face ----------------------------------------------------------------------------------------------------- */

struct lag *lag_create(const struct lag_spec *spec)
{
	struct lag *l = mem_calloc(1, sizeof(*l));

	l->spec = *spec;
	l->looked_at = -LOOK_KEEP_MS - 1;
	map_init(&l->shown.waiting);
	map_init(&l->next.waiting);
	return l;
}

void lag_destroy(struct lag **lp)
{
	struct lag *l = *lp;

	ASSERT(l->out == 0);
	round_free(&l->shown);
	round_free(&l->next);
	free(l);
	*lp = NULL;
}

void lag_look(struct lag *l, mono_ms now)
{
	l->looked_at = now;
}

void lag_on_home(struct lag *l, struct msg *m)
{
	l->out--;
	if (m->kind == PARTITION_read)
		on_range(l, m->context);
	else if (m->kind == HTTP_READ_HEADER)
		on_header(l, m->context);
	else
		ASSERT(m->kind == GROUP_committed);
}

mono_ms lag_step(struct lag *l, const struct cluster *picture, mono_ms now)
{
	if (picture == NULL)
		return MONO_NEVER;
	if (!l->is_running) {
		if (now - l->looked_at > LOOK_KEEP_MS)
			return MONO_NEVER;
		if (now < l->due)
			return l->due;
		l->due = now + l->spec.interval_ms;
		l->is_compared = false;
		round_begin(l, picture);
	}
	if (l->out == 0 && !l->is_compared) {
		compare(l, picture);
		l->is_compared = true;
	}
	if (l->is_compared)
		begin_reads(l, picture);
	if (l->out > 0)
		return MONO_NEVER;	/* an answer wakes */
	round_free(&l->shown);
	l->shown = l->next;
	l->next = (struct round){ .count = 0 };
	map_init(&l->next.waiting);
	l->is_running = false;
	return l->due;
}

void lag_each(const struct lag *l, lag_visit *visit, void *arg)
{
	for (int i = 0; i < l->shown.count; i++) {
		const struct survey *s = &l->shown.surveys[i];

		for (int32_t k = 0; k < s->ask.count; k++) {
			struct lag_entry e = { &s->ask.offsets[k], s->places[k].records, s->places[k].waiting_since };

			visit(arg, &e);
		}
	}
}

int64_t lag_left_out(const struct lag *l)
{
	return l->shown.left_out;
}
