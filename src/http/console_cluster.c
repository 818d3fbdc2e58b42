/* What the picture and the published numbers tell: the overview, brokers, topics. Nobody is asked. */
#include <stdlib.h>
#include <string.h>

#include "base/config_value.h"
#include "http/console_priv.h"
#include "os/process.h"

static uint64_t count_of(const uint64_t *n)
{
	return __atomic_load_n(n, __ATOMIC_RELAXED);
}

/* --- sums over a topic ----------------------------------------------------------------------------------------- */

struct sums {
	int64_t  partitions, leaderless, under_replicated, offline;	/* by the picture */
	int64_t  replicas_here, leaders_here;
	int64_t  bytes_here;
	uint64_t records_in, bytes_in, bytes_out;			/* since the broker began, here */
};

static void add_replica(struct sums *s, const struct partition_addr *a)
{
	s->replicas_here++;
	s->leaders_here += partition_is_leader(a);
	s->bytes_here += __atomic_load_n(&a->size_bytes, __ATOMIC_RELAXED);
	s->records_in += count_of(&a->records_in);
	s->bytes_in += count_of(&a->bytes_in);
	s->bytes_out += count_of(&a->bytes_out);
	s->offline += __atomic_load_n(&a->is_offline, __ATOMIC_RELAXED);
}

static void add_topic(void *arg, const struct cluster_topic *t)
{
	struct sums *s = arg;

	for (int32_t i = 0; i < t->partition_count; i++) {
		const struct cluster_partition *p = &t->partitions[i];

		s->partitions++;
		s->leaderless += p->leader < 0;
		s->under_replicated += p->isr_count < p->replica_count;
		if (console_replica(p) != NULL)
			add_replica(s, console_replica(p));
	}
}

static void write_sums(struct strbuf *b, const struct sums *s)
{
	json_member_i64(b, "partitions", s->partitions);
	json_member_i64(b, "leaderless", s->leaderless);
	json_member_i64(b, "under_replicated", s->under_replicated);
	json_member_i64(b, "replicas_here", s->replicas_here);
	json_member_i64(b, "leaders_here", s->leaders_here);
	json_member_i64(b, "offline_here", s->offline);
	json_member_i64(b, "bytes_here", s->bytes_here);
	json_member_u64(b, "records_in", s->records_in);
	json_member_u64(b, "bytes_in", s->bytes_in);
	json_member_u64(b, "bytes_out", s->bytes_out);
}

/* --- overview, brokers ------------------------------------------------------------------------------------------- */

static void write_dirs(struct strbuf *b, const struct metrics_world *w)
{
	json_name(b, "log_dirs");
	json_open(b, '[');
	for (int i = 0; i < w->dir_count; i++) {
		json_open(b, '{');
		json_member_str(b, "path", logdir_path(w->dirs[i]));
		json_member_bool(b, "offline", logdir_is_offline(w->dirs[i]));
		json_close(b, '}');
	}
	json_close(b, ']');
}

/* What every answer begins with: which broker says so, and when. */
static void begin(struct inquiry *q)
{
	json_open(&q->text, '{');
	json_member_i64(&q->text, "broker", q->w->picture->broker_id);
	json_member_i64(&q->text, "time", q->w->now);
	q->is_done = true;
}

static void end(struct inquiry *q)
{
	json_close(&q->text, '}');
}

void console_overview(struct inquiry *q)
{
	const struct metrics_world *w = q->w;
	const struct cluster *c = w->picture;
	struct strbuf *b = &q->text;
	struct net_counters net;
	struct sums s = { 0 };

	net_counters(w->net, &net);
	cluster_each_topic(c, add_topic, &s);
	begin(q);
	json_member_str(b, "cluster", c->cluster_id);
	json_member_i64(b, "controller", c->controller_id);
	json_member_str(b, "version", w->version);
	json_member_i64(b, "started", w->started);
	json_member_bool(b, "serving", w->is_serving);
	json_member_bool(b, "messages", q->console->spec.shows_messages);
	json_member_i64(b, "stuck_actors", sched_stuck(w->sched));
	json_member_i64(b, "brokers", c->broker_count);
	json_member_i64(b, "topics", c->topic_count);
	write_sums(b, &s);
	json_member_u64(b, "connections", net.connections_open);
	json_member_u64(b, "requests", net.requests);
	json_member_u64(b, "resident_bytes", process_resident_bytes());
	json_member_u64(b, "cpu_ms", process_cpu_ns() / 1000000);
	write_dirs(b, w);
	end(q);
}

struct by_broker {
	const struct cluster *c;
	int64_t *leaders, *replicas, *out_of_sync;	/* of each broker of the picture */
};

static int index_of(const struct cluster *c, int32_t id)
{
	const struct cluster_broker *b = cluster_broker(c, id);

	return b != NULL ? (int)(b - c->brokers) : -1;
}

static bool is_in(int32_t id, const int32_t *list, int32_t n)
{
	for (int32_t i = 0; i < n; i++) {
		if (list[i] == id)
			return true;
	}
	return false;
}

static void count_brokers(void *arg, const struct cluster_topic *t)
{
	struct by_broker *s = arg;

	for (int32_t i = 0; i < t->partition_count; i++) {
		const struct cluster_partition *p = &t->partitions[i];
		int at = index_of(s->c, p->leader);

		if (at >= 0)
			s->leaders[at]++;
		for (int32_t k = 0; k < p->replica_count; k++) {
			if ((at = index_of(s->c, p->replicas[k])) < 0)
				continue;
			s->replicas[at]++;
			s->out_of_sync[at] += !is_in(p->replicas[k], p->isr, p->isr_count);
		}
	}
}

static void write_endpoints(struct strbuf *b, const struct cluster_broker *broker)
{
	json_name(b, "endpoints");
	json_open(b, '[');
	for (int i = 0; i < broker->endpoint_count; i++) {
		const struct cluster_endpoint *e = &broker->endpoints[i];

		json_open(b, '{');
		json_member_str(b, "listener", e->listener);
		json_member_str(b, "protocol", e->protocol);
		json_member_str(b, "host", e->host);
		json_member_i64(b, "port", e->port);
		json_close(b, '}');
	}
	json_close(b, ']');
}

void console_brokers(struct inquiry *q)
{
	const struct cluster *c = q->w->picture;
	size_t n = (size_t)c->broker_count + 1;
	int64_t *counts = mem_calloc(n * 3, sizeof(*counts));
	struct by_broker s = { c, counts, counts + n, counts + 2 * n };
	struct strbuf *b = &q->text;

	cluster_each_topic(c, count_brokers, &s);
	begin(q);
	json_member_i64(b, "controller", c->controller_id);
	json_name(b, "brokers");
	json_open(b, '[');
	for (int i = 0; i < c->broker_count; i++) {
		json_open(b, '{');
		json_member_i64(b, "id", c->brokers[i].id);
		json_member_str(b, "rack", c->brokers[i].has_rack ? c->brokers[i].rack : NULL);
		json_member_i64(b, "leaders", s.leaders[i]);
		json_member_i64(b, "replicas", s.replicas[i]);
		json_member_i64(b, "out_of_sync", s.out_of_sync[i]);
		write_endpoints(b, &c->brokers[i]);
		json_close(b, '}');
	}
	json_close(b, ']');
	end(q);
	free(counts);
}

/* --- topics ------------------------------------------------------------------------------------------------------------ */

struct found {
	const struct cluster_topic **topics;
	size_t       count;
	struct slice find;		/* in the name; empty: all */
	bool         wants_internal;
};

static void find_topic(void *arg, const struct cluster_topic *t)
{
	struct found *f = arg;

	if ((f->wants_internal || !t->is_internal) && (f->find.len == 0 || memmem(t->name, t->name_len, f->find.ptr, f->find.len) != NULL))
		f->topics[f->count++] = t;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct cluster_topic *const *)a)->name, (*(const struct cluster_topic *const *)b)->name);
}

static void write_topic(struct strbuf *b, const struct cluster_topic *t)
{
	struct sums s = { 0 };

	add_topic(&s, t);
	json_open(b, '{');
	json_member_str(b, "name", t->name);
	json_member_bool(b, "internal", t->is_internal);
	json_member_i64(b, "replication", t->partition_count > 0 ? t->partitions[0].replica_count : 0);
	write_sums(b, &s);
	json_close(b, '}');
}

void console_topics(struct inquiry *q)
{
	const struct cluster *c = q->w->picture;
	struct found f = { .find = argument(q, "find"), .wants_internal = slice_eq_str(argument(q, "internal"), "1") };
	struct strbuf *b = &q->text;
	struct part part;

	if (!argument_part(q, &part))
		return;
	f.topics = mem_calloc((size_t)c->topic_count + 1, sizeof(const struct cluster_topic *));
	cluster_each_topic(c, find_topic, &f);
	qsort(f.topics, f.count, sizeof(const struct cluster_topic *), by_name);
	begin(q);
	json_member_u64(b, "found", f.count);
	json_member_i64(b, "from", part.from);
	json_name(b, "topics");
	json_open(b, '[');
	for (size_t i = (size_t)part.from; i < f.count && i < (size_t)(part.from + part.count); i++)
		write_topic(b, f.topics[i]);
	json_close(b, ']');
	end(q);
	free(f.topics);
}

/* --- one topic ----------------------------------------------------------------------------------------------------------- */

static void write_ids(struct strbuf *b, const char *name, const int32_t *ids, int32_t n)
{
	json_name(b, name);
	json_open(b, '[');
	for (int32_t i = 0; i < n; i++)
		json_i64(b, ids[i]);
	json_close(b, ']');
}

static void write_replica(struct strbuf *b, const struct partition_addr *a)
{
	const struct logdir *dir = partition_dir(a);

	json_open(b, '{');
	json_member_bool(b, "leads", partition_is_leader(a));
	json_member_bool(b, "offline", __atomic_load_n(&a->is_offline, __ATOMIC_RELAXED));
	json_member_i64(b, "start", partition_log_start_offset(a));
	json_member_i64(b, "end", partition_log_end_offset(a));
	json_member_i64(b, "high_watermark", partition_high_watermark(a));
	json_member_i64(b, "bytes", __atomic_load_n(&a->size_bytes, __ATOMIC_RELAXED));
	json_member_u64(b, "records_in", count_of(&a->records_in));
	json_member_u64(b, "bytes_in", count_of(&a->bytes_in));
	json_member_u64(b, "bytes_out", count_of(&a->bytes_out));
	json_member_str(b, "dir", dir != NULL ? logdir_path(dir) : NULL);
	json_close(b, '}');
}

static void write_partition(struct strbuf *b, const struct cluster_partition *p)
{
	json_open(b, '{');
	json_member_i64(b, "id", p->id);
	json_member_i64(b, "leader", p->leader);
	json_member_i64(b, "epoch", p->leader_epoch);
	write_ids(b, "replicas", p->replicas, p->replica_count);
	write_ids(b, "isr", p->isr, p->isr_count);
	json_name(b, "here");
	if (console_replica(p) != NULL)
		write_replica(b, console_replica(p));
	else
		json_str(b, NULL);
	json_close(b, '}');
}

/* What holds here for the topic, and whether the topic says so itself. */
static void write_configs(struct strbuf *b, const struct cluster_topic *t)
{
	struct strbuf value = STRBUF_INIT;

	json_name(b, "configs");
	json_open(b, '[');
	for (size_t i = 0; i < config_topics.count; i++) {
		const struct config_def *d = &config_topics.defs[i];
		const char *own = cluster_overrides_get(t->overrides, d->name);

		strbuf_reset(&value);
		if (own != NULL)
			strbuf_add_str(&value, own);
		else if (d->field == FIELD_NONE || d->field == FIELD_TEXT)
			continue;
		else
			config_field_print(d, &t->config, &value);
		json_open(b, '{');
		json_member_str(b, "name", d->name);
		json_member_text(b, "value", strbuf_slice(&value));
		json_member_bool(b, "own", own != NULL);
		json_member_str(b, "doc", d->doc);
		json_close(b, '}');
	}
	json_close(b, ']');
	strbuf_fini(&value);
}

void console_topic(struct inquiry *q)
{
	const struct cluster_topic *t = argument_topic(q, NULL);
	struct strbuf *b = &q->text;
	char id[UUID_TEXT_LEN + 1];
	struct sums s = { 0 };
	struct part part;

	if (t == NULL || !argument_part(q, &part))
		return;
	add_topic(&s, t);
	begin(q);
	json_member_str(b, "name", t->name);
	json_member_str(b, "id", uuid_to_text(t->id, id));
	json_member_bool(b, "internal", t->is_internal);
	json_member_bool(b, "messages", q->console->spec.shows_messages);
	write_sums(b, &s);
	json_member_i64(b, "from", part.from);
	json_name(b, "list");
	json_open(b, '[');
	for (int64_t i = part.from; i < t->partition_count && i < part.from + part.count; i++)
		write_partition(b, &t->partitions[i]);
	json_close(b, ']');
	write_configs(b, t);
	end(q);
}
