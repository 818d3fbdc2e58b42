/*
 * skein topic list, describe, watch: what is there, how large it is, how fast it grows. Sizes are those of DescribeLogDirs, records are differences of offsets.
 */
#include "topic.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "look.h"
#include "table.h"

#define RATE_MS 1000		/* over so long -o wide measures */

static void take_look(struct topic *x, int parts, struct look **out)
{
	struct look_spec spec = { .parts = parts, .timeout_ms = TOPIC_LOOK_MS };

	look_begin(out, x->client, &spec);
	look_wait(*out);
}

/* Whose answers are missing. */
static void say_who_is_silent(const struct look *l)
{
	for (int i = 0; i < l->broker_count; i++) {
		if (l->brokers[i].is != NULL && l->brokers[i].error.err != OK)
			tool_say("broker %d does not tell: %s", l->brokers[i].id, l->brokers[i].error.text);
	}
}

static int32_t replicas_of(const struct look_topic *t)
{
	return t->partition_count > 0 ? t->partitions[0].is->replica_nodes_count : 0;
}

static void wait_until(struct topic *x, mono_ms until)
{
	for (mono_ms now; !tool_is_stopped() && (now = os_mono_ms(os_real())) < until;)
		client_step(x->client, until - now);
}

/* ---- list ---- */

/* Names alone, as scripts read them: one question. */
static int list_names(struct topic *x)
{
	struct client_call *answer;
	const struct metadata_response *r;
	struct client_error error;
	const void **topics;

	if (admin_describe_topics(x->client, NULL, 0, TOPIC_TIMEOUT_MS, &answer, &r, &error) != OK)
		return tool_fail(&error);
	topics = show_sorted(r->topics, r->topics_count, sizeof(*r->topics), show_by_name);
	for (int32_t i = 0; i < r->topics_count; i++) {
		const struct metadata_response_topic *t = topics[i];

		if (!t->is_internal || x->with_internal)
			printf(SLICE_FMT"\n", SLICE_ARG(t->name));
	}
	free(topics);
	admin_answer_destroy(&answer);
	return EXIT_OK;
}

static void add_trouble(struct table *t, const struct look_topic *topic)
{
	if (topic->offline > 0)
		table_add(t, TABLE_BAD, "%d offline%s", topic->offline, topic->behind > topic->offline ? ", under-replicated" : "");
	else if (topic->behind > 0)
		table_add(t, TABLE_WARN, "%d under-replicated", topic->behind);
	else
		table_add(t, TABLE_PLAIN, "%s", "");
}

static void list_row(struct topic *x, struct table *t, const struct look *now, const struct look *before, const struct look_topic *topic)
{
	char text[SHOW_TEXT_SIZE];

	table_add(t, topic->offline > 0 ? TABLE_BAD : TABLE_PLAIN, SLICE_FMT, SLICE_ARG(topic->name));
	table_add(t, TABLE_PLAIN, "%d", topic->partition_count);
	table_add(t, TABLE_PLAIN, "%d", replicas_of(topic));
	table_add(t, TABLE_PLAIN, "%s", show_bytes(text, topic->bytes));
	if (x->output == SHOW_WIDE) {
		table_add(t, TABLE_PLAIN, "%s", show_bytes(text, topic->bytes_all));
		table_add(t, TABLE_PLAIN, "%s", show_number(text, topic->records));
		table_add(t, TABLE_PLAIN, "%s", show_rate(text, look_records_rate(now, before, topic)));
		table_add(t, TABLE_PLAIN, "%s", show_bytes(text, (int64_t)look_bytes_rate(now, before, topic)));
	}
	add_trouble(t, topic);
}

static void list_object(struct show_list *l, const struct look_topic *t)
{
	struct strbuf out = STRBUF_INIT;

	strbuf_add_str(&out, "{\"topic\":");
	show_json_string(&out, t->name);
	strbuf_printf(&out, ",\"partitions\":%d,\"internal\":%s,\"replication_factor\":%d,\"bytes\":", t->partition_count,
			t->is->is_internal ? "true" : "false",
		      replicas_of(t));
	show_json_number(&out, t->bytes);
	strbuf_add_str(&out, ",\"bytes_all_replicas\":");
	show_json_number(&out, t->bytes_all);
	strbuf_add_str(&out, ",\"records\":");
	show_json_number(&out, t->records);
	strbuf_printf(&out, ",\"offline\":%d,\"under_replicated\":%d}", t->offline, t->behind);
	show_object(l, &out);
	strbuf_fini(&out);
}

static void print_list(struct topic *x, const struct look *now, const struct look *before)
{
	static const struct table_column few[] = {
		{ .head = "topic", .width_min = 20 }, { .head = "partitions", .is_number = true, .rank = 3 },
		{ .head = "replicas", .is_number = true, .rank = 4 },
		{ .head = "size", .is_number = true, .rank = 1 }, { .head = "", .rank = 2, .width_min = 10 },
	}, wide[] = {
		{ .head = "topic", .width_min = 20 }, { .head = "partitions", .is_number = true, .rank = 5 },
		{ .head = "replicas", .is_number = true, .rank = 7 },
		{ .head = "size", .is_number = true, .rank = 1 }, { .head = "all replicas", .is_number = true, .rank = 8 }, { .head = "records", .is_number = true, .rank = 3 },
		{ .head = "records/s", .is_number = true, .rank = 4 }, { .head = "bytes/s", .is_number = true, .rank = 6 }, { .head = "", .rank = 2, .width_min = 10 },
	};
	struct table_form form = table_form_stdout();
	struct show_list list = { .output = x->output };
	struct strbuf out = STRBUF_INIT;
	struct table t;

	if (x->output == SHOW_WIDE)
		form.width = 0;		/* it is asked for */
	table_init(&t, x->output == SHOW_WIDE ? wide : few, x->output == SHOW_WIDE ? (int)ARRAY_LEN(wide) : (int)ARRAY_LEN(few));
	for (int i = 0; i < now->topic_count; i++) {
		const struct look_topic *topic = &now->topics[i];

		if (topic->is->is_internal && !x->with_internal)
			continue;
		if (show_is_json(x->output))
			list_object(&list, topic);
		else
			list_row(x, &t, now, before, topic);
	}
	if (show_is_json(x->output))
		show_list_end(&list);
	else
		table_format(&t, &form, &out);
	fwrite(strbuf_cstr(&out), 1, out.len, stdout);
	strbuf_fini(&out);
	table_fini(&t);
}

int topic_list(struct topic *x)
{
	struct look *before = NULL, *now = NULL;
	int code = EXIT_OK, parts = LOOK_DIRS | (x->output == SHOW_WIDE || show_is_json(x->output) ? LOOK_ENDS | LOOK_STARTS : 0);

	if (x->output == SHOW_DEFAULT && !isatty(STDOUT_FILENO))
		return list_names(x);
	if (x->output == SHOW_WIDE) {
		take_look(x, parts, &before);
		wait_until(x, before->at + RATE_MS);
	}
	take_look(x, parts, &now);
	if (now->error.err != OK) {
		code = tool_fail(&now->error);
	} else {
		say_who_is_silent(now);
		print_list(x, now, before);
	}
	look_end(&before);
	look_end(&now);
	return code;
}

/* ---- describe ---- */

enum { SOURCE_TOPIC = 1 };	/* DescribeConfigs: set for this very topic */

/* What is set for the topic itself. */
static int add_configs(struct topic *x, const char *name, struct strbuf *out)
{
	struct client_call *answer;
	const struct describe_configs_response_result *r;
	struct client_error error;
	const char *comma = "";

	if (admin_describe_configs(x->client, ADMIN_TOPIC, name, TOPIC_TIMEOUT_MS, &answer, &r, &error) != OK)
		return tool_fail(&error);
	for (int32_t i = 0; i < r->configs_count; i++) {
		const struct describe_configs_response_config *c = &r->configs[i];
		struct slice value = slice_is_null(c->value) ? SLICE_EMPTY : c->value;
		if (c->config_source != SOURCE_TOPIC)
			continue;
		strbuf_add_str(out, comma);
		if (show_is_json(x->output)) {
			show_json_string(out, c->name);
			strbuf_add_char(out, ':');
			show_json_string(out, value);
		} else {
			strbuf_printf(out, SLICE_FMT"="SLICE_FMT, SLICE_ARG(c->name), SLICE_ARG(value));
		}
		comma = show_is_json(x->output) ? "," : " ";
	}
	admin_answer_destroy(&answer);
	return EXIT_OK;
}

static void add_ids(struct table *t, enum table_mark mark, const int32_t *ids, int32_t count)
{
	struct strbuf text = STRBUF_INIT;

	show_ids(&text, ids, count);
	table_add(t, mark, "%s", strbuf_cstr(&text));
	strbuf_fini(&text);
}

static void partition_row(struct table *t, const struct look_partition *p)
{
	const struct metadata_response_partition *is = p->is;
	struct strbuf troubles = STRBUF_INIT;
	char text[SHOW_TEXT_SIZE];
	enum table_mark mark = is->leader_id < 0 ? TABLE_BAD : show_has_trouble(is, SHOW_NO_MIN_ISR) ? TABLE_WARN : TABLE_PLAIN;

	table_add(t, mark, "%d", is->partition_index);
	if (is->leader_id >= 0)
		table_add(t, TABLE_PLAIN, "%d", is->leader_id);
	else
		table_add(t, mark, "none");
	table_add(t, TABLE_PLAIN, "%d", is->leader_epoch);
	add_ids(t, TABLE_PLAIN, is->replica_nodes, is->replica_nodes_count);
	add_ids(t, mark, is->isr_nodes, is->isr_nodes_count);
	table_add(t, TABLE_PLAIN, "%s", show_number(text, p->start));
	table_add(t, TABLE_PLAIN, "%s", show_number(text, p->end));
	table_add(t, TABLE_PLAIN, "%s", show_bytes(text, p->bytes));
	show_troubles(&troubles, is, SHOW_NO_MIN_ISR);
	table_add(t, mark, "%s", strbuf_cstr(&troubles));
	strbuf_fini(&troubles);
}

static void describe_text(struct strbuf *out, const struct look_topic *topic)
{
	static const struct table_column columns[] = {
		{ .head = "partition", .is_number = true }, { .head = "leader", .is_number = true }, { .head = "epoch", .is_number = true, .rank = 6 },
		{ .head = "replicas", .rank = 1, .width_min = 8 }, { .head = "in sync", .rank = 1, .width_min = 8 },
		{ .head = "start", .is_number = true, .rank = 5 },
		{ .head = "end", .is_number = true, .rank = 4 }, { .head = "size", .is_number = true, .rank = 3 }, { .head = "", .rank = 2, .width_min = 16 },
	};
	struct table_form form = table_form_stdout();
	struct table t;

	form.indent = 2;
	table_init(&t, columns, (int)ARRAY_LEN(columns));
	for (int32_t i = 0; i < topic->partition_count; i++)
		partition_row(&t, &topic->partitions[i]);
	table_format(&t, &form, out);
	table_fini(&t);
}

static void partition_object(struct strbuf *out, const struct look_partition *p)
{
	show_partition_json(out, p->is);
	strbuf_truncate(out, out->len - 1);
	strbuf_add_str(out, ",\"start\":");
	show_json_number(out, p->start);
	strbuf_add_str(out, ",\"end\":");
	show_json_number(out, p->end);
	strbuf_add_str(out, ",\"bytes\":");
	show_json_number(out, p->bytes);
	strbuf_add_char(out, '}');
}

static int describe_one(struct topic *x, struct show_list *list, const struct look_topic *t)
{
	struct strbuf out = STRBUF_INIT;
	bool is_json = show_is_json(x->output);
	char id[UUID_TEXT_LEN + 1] = "", size[SHOW_TEXT_SIZE], *name = mem_strndup((const char *)t->name.ptr, t->name.len);
	int32_t replicas = replicas_of(t);
	int code;

	if (!uuid_is_zero(t->is->topic_id))
		uuid_to_text(t->is->topic_id, id);
	if (is_json)
		strbuf_printf(&out, "{\"topic\":\"%s\",\"id\":\"%s\",\"internal\":%s,\"configs\":{", name, id, t->is->is_internal ? "true" : "false");
	else
		strbuf_printf(&out, "%s  id %s  %d partition%s, %d replica%s each  %s\n  configs: ", name, *id ? id : "none", t->partition_count,
			      t->partition_count == 1 ? "" : "s", replicas, replicas == 1 ? "" : "s", t->bytes >= 0 ? show_bytes(size, t->bytes) : "size unknown");
	size_t before = out.len;
	code = add_configs(x, name, &out);
	if (is_json) {
		strbuf_add_str(&out, "},\"partitions\":[");
		for (int32_t i = 0; i < t->partition_count; i++) {
			strbuf_add_str(&out, i > 0 ? "," : "");
			partition_object(&out, &t->partitions[i]);
		}
		strbuf_add_str(&out, "]}");
		show_object(list, &out);
	} else {
		strbuf_add_str(&out, out.len == before ? "none of its own\n" : "\n");
		describe_text(&out, t);
		fwrite(out.ptr, 1, out.len, stdout);
	}
	strbuf_fini(&out);
	free(name);
	return code;
}

/* Whoever asks for all topics is not told of those that it may not see; who asks for one is told why. */
static int tell_why_it_is_missing(struct topic *x, const char *name)
{
	struct client_call *answer;
	const struct metadata_response *r;
	struct client_error error;
	int code;

	if (admin_describe_topics(x->client, &name, 1, TOPIC_TIMEOUT_MS, &answer, &r, &error) != OK)
		return tool_fail(&error);
	code = tool_topic_fail(slice_str(name), r->topics_count == 1 && r->topics[0].error_code != NONE ? r->topics[0].error_code : UNKNOWN_TOPIC_OR_PARTITION);
	admin_answer_destroy(&answer);
	return tool_near_topic(x->client, slice_str(name), code);
}

static int describe_named(struct topic *x, struct show_list *list, const struct look *l, const char *name)
{
	const struct look_topic *t = look_topic_of(l, slice_str(name));

	if (t == NULL)
		return tell_why_it_is_missing(x, name);
	if (t->is->error_code != NONE && t->is->error_code != LEADER_NOT_AVAILABLE)
		return tool_topic_fail(t->name, t->is->error_code);
	return describe_one(x, list, t);
}

int topic_describe(struct topic *x)
{
	struct show_list list = { .output = x->output };
	struct look *l;
	int done = 0, code = EXIT_OK;

	take_look(x, LOOK_DIRS | LOOK_ENDS | LOOK_STARTS, &l);
	if (l->error.err != OK) {
		code = tool_fail(&l->error);
		look_end(&l);
		return code;
	}
	say_who_is_silent(l);
	for (int i = 0; i < x->name_count; i++) {
		int result = describe_named(x, &list, l, x->names[i]);

		code = tool_both(code, result);
		done += result == EXIT_OK;
	}
	for (int i = 0; x->name_count == 0 && i < l->topic_count; i++) {
		int result = l->topics[i].is->is_internal && !x->with_internal ? EXIT_OK : describe_one(x, &list, &l->topics[i]);

		code = tool_both(code, result);
		done += result == EXIT_OK;
	}
	if (show_is_json(x->output))
		show_list_end(&list);
	look_end(&l);
	return tool_sum_up(done, code);
}

/* ---- watch ---- */

struct watched {
	struct slice name;
	double       records, bytes;		/* per second; -1 unknown */
	int64_t      ends, size;
};

static void watch_line(struct topic *x, struct show_list *list, const struct look *l, const struct watched *w)
{
	struct strbuf out = STRBUF_INIT;
	char a[SHOW_TEXT_SIZE], b[SHOW_TEXT_SIZE], c[SHOW_TEXT_SIZE], d[SHOW_TEXT_SIZE];
	time_t seconds = (time_t)(l->time / 1000);
	struct tm tm;

	if (show_is_json(x->output)) {
		strbuf_printf(&out, "{\"time\":%lld,\"topic\":", (long long)l->time);
		if (slice_is_null(w->name))
			strbuf_add_str(&out, "null");
		else
			show_json_string(&out, w->name);
		strbuf_add_str(&out, ",\"records_per_second\":");
		strbuf_printf(&out, w->records < 0 ? "null" : "%.1f", w->records);
		strbuf_add_str(&out, ",\"bytes_per_second\":");
		show_json_number(&out, (int64_t)w->bytes);
		strbuf_add_str(&out, ",\"end_offsets\":");
		show_json_number(&out, w->ends);
		strbuf_add_str(&out, ",\"bytes\":");
		show_json_number(&out, w->size);
		strbuf_add_char(&out, '}');
		show_object(list, &out);
	} else {
		localtime_r(&seconds, &tm);
		printf("%02d:%02d:%02d  %10s records/s  %10s/s  %14s in all  %10s  "SLICE_FMT"\n", tm.tm_hour, tm.tm_min, tm.tm_sec, show_rate(a, w->records),
		       show_bytes(b, (int64_t)w->bytes), show_number(c, w->ends), show_bytes(d, w->size),
				SLICE_ARG(slice_is_null(w->name) ? SLICE_LIT("all topics") : w->name));
	}
	strbuf_fini(&out);
}

static struct watched watched_of(const struct look *now, const struct look *before, const struct look_topic *t)
{
	return (struct watched){ .name = t->name, .records = look_records_rate(now, before, t), .bytes = look_bytes_rate(now, before, t),
			.ends = t->ends, .size = t->bytes };
}

static void watch_all(struct topic *x, struct show_list *list, const struct look *now, const struct look *before)
{
	struct watched all = { .name = SLICE_NULL, .records = 0, .bytes = -1, .ends = 0, .size = -1 };

	for (int i = 0; i < now->topic_count; i++) {
		struct watched one = watched_of(now, before, &now->topics[i]);

		if (now->topics[i].is->is_internal && !x->with_internal)
			continue;
		all.records = all.records < 0 || one.records < 0 ? -1 : all.records + one.records;
		all.bytes = one.bytes < 0 ? all.bytes : MAX(all.bytes, 0) + one.bytes;
		all.ends = all.ends < 0 || one.ends < 0 ? -1 : look_sum(all.ends, one.ends);
		all.size = look_sum(all.size, one.size);
	}
	watch_line(x, list, now, &all);
}

/* One interval; false after saying why it cannot go on. */
static bool watch_once(struct topic *x, struct show_list *list, const struct look *now, const struct look *before, int *code)
{
	if (now->error.err != OK) {	/* it may be back for the next one; the code is that of the last */
		*code = tool_fail(&now->error);
		return true;
	}
	*code = EXIT_OK;
	for (int i = 0; i < x->name_count; i++) {
		const struct look_topic *t = look_topic_of(now, slice_str(x->names[i]));

		if (t == NULL) {
			*code = tell_why_it_is_missing(x, x->names[i]);
			return false;
		}
		struct watched w = watched_of(now, before, t);

		if (before != NULL)
			watch_line(x, list, now, &w);
	}
	if (x->name_count == 0 && before != NULL)
		watch_all(x, list, now, before);
	return fflush(stdout) == 0;
}

int topic_watch(struct topic *x)
{
	struct show_list list = { .output = x->output };
	struct look *before = NULL, *now = NULL;
	mono_ms next = os_mono_ms(os_real());
	int code = EXIT_OK;
	bool goes_on = true;

	tool_catch_signals(x->client);
	for (int64_t n = 0; goes_on && !tool_is_stopped() && (x->count == 0 || n <= x->count); n++) {
		take_look(x, LOOK_ENDS | LOOK_DIRS, &now);
		if (!look_is_done(now))
			break;
		goes_on = watch_once(x, &list, now, before, &code);
		if (now->error.err == OK) {
			look_end(&before);
			before = now;
			now = NULL;
		}
		look_end(&now);
		next = MAX(next + x->interval_ms, os_mono_ms(os_real()));
		if (goes_on && (x->count == 0 || n < x->count))
			wait_until(x, next);
	}
	look_end(&now);
	look_end(&before);
	if (show_is_json(x->output))
		show_list_end(&list);
	tool_catch_signals(NULL);
	return code;
}
