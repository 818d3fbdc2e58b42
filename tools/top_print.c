/*
 * skein top --once: a look without a terminal, for people and for programs.
 */
#include "top.h"

#include <stdio.h>

#define ROWS_MAX 20	/* of topics and groups, in text; wide has all */

/* ---- text ---- */

static void print_text(struct top *t, bool is_wide)
{
	struct table_form form = table_form_stdout();
	struct top_flow f = top_flow_of(t);
	struct strbuf out = STRBUF_INIT;
	char a[SHOW_TEXT_SIZE], b[SHOW_TEXT_SIZE], c[SHOW_TEXT_SIZE];

	form.indent = 2;
	form.width = is_wide ? 0 : form.width;
	strbuf_printf(&out, "cluster "SLICE_FMT"  %d of %d broker%s  %d topics  %d partitions  %d groups\n", SLICE_ARG(t->now->cluster_id),
			f.online, t->now->broker_count,
		      t->now->broker_count == 1 ? "" : "s", t->now->topic_count, t->now->partition_count, t->now->group_count);
	strbuf_printf(&out, "offline %d  under-replicated %d\n", t->now->offline, t->now->behind);
	strbuf_printf(&out, "in %s records/s, %s/s", show_rate(a, f.records), show_bytes(b, f.bytes < 0 ? -1 : (int64_t)f.bytes));
	strbuf_printf(&out, "  size %s  free %s\n", show_bytes(a, f.size), show_bytes(b, f.usable));
	if (t->has_requests)
		strbuf_printf(&out, "requests %s/s (produce %s, fetch %s)\n", show_rate(a, t->requests.all),
			      show_rate(b, t->requests.produce), show_rate(c, t->requests.fetch));
	(void)top_table(t, TOP_BROKERS, &form, 0, false, &out);
	strbuf_add_char(&out, '\n');
	(void)top_table(t, TOP_TOPICS, &form, is_wide ? 0 : ROWS_MAX, false, &out);
	if (t->now->group_count > 0) {
		strbuf_add_char(&out, '\n');
		(void)top_table(t, TOP_GROUPS, &form, is_wide ? 0 : ROWS_MAX, false, &out);
	}
	if (t->now->offline + t->now->behind > 0) {
		strbuf_add_char(&out, '\n');
		(void)top_table(t, TOP_TROUBLE, &form, is_wide ? 0 : ROWS_MAX, false, &out);
	}
	fwrite(strbuf_cstr(&out), 1, out.len, stdout);
	strbuf_fini(&out);
}

/* ---- objects ---- */

static void add_rate(struct strbuf *out, const char *name, double rate)
{
	strbuf_printf(out, ",\"%s\":", name);
	strbuf_printf(out, rate < 0 ? "null" : "%.1f", rate);
}

static void add_number(struct strbuf *out, const char *name, int64_t n)
{
	strbuf_printf(out, ",\"%s\":", name);
	show_json_number(out, n);
}

static void add_brokers(const struct top *t, struct strbuf *out)
{
	for (int i = 0; i < t->now->broker_count; i++) {
		const struct look_broker *b = &t->now->brokers[i];

		strbuf_printf(out, "%s{\"broker\":%d,\"online\":%s,\"answers\":%s,\"controller\":%s,\"leaders\":%d,\"replicas\":%d", i > 0 ? "," : "", b->id,
			      b->is != NULL ? "true" : "false", look_is_known(b) ? "true" : "false", b->id == t->now->controller ? "true" : "false", b->leads, b->holds);
		add_rate(out, "records_per_second", top_broker_rate(t, b));
		add_number(out, "bytes", b->bytes);
		add_number(out, "usable_bytes", b->bytes_usable);
		add_number(out, "total_bytes", b->bytes_total);
		strbuf_printf(out, ",\"failed_dirs\":%d}", b->dirs_failed);
	}
}

static void add_topics(const struct top *t, struct strbuf *out)
{
	for (int i = 0; i < t->now->topic_count; i++) {
		const struct look_topic *topic = &t->now->topics[i];

		strbuf_add_str(out, i > 0 ? ",{\"topic\":" : "{\"topic\":");
		show_json_string(out, topic->name);
		add_number(out, "partitions", topic->partition_count);
		add_rate(out, "records_per_second", look_records_rate(t->now, t->before, topic));
		add_rate(out, "bytes_per_second", look_bytes_rate(t->now, t->before, topic));
		add_number(out, "records", topic->records);
		add_number(out, "bytes", topic->bytes);
		strbuf_printf(out, ",\"offline\":%d,\"under_replicated\":%d}", topic->offline, topic->behind);
	}
}

static void add_groups(const struct top *t, struct strbuf *out)
{
	for (int i = 0; i < t->now->group_count; i++) {
		const struct look_group *g = t->now->groups[i];

		strbuf_add_str(out, i > 0 ? ",{\"group\":" : "{\"group\":");
		show_json_string(out, g->id);
		strbuf_add_str(out, ",\"state\":");
		show_json_string(out, g->state);
		add_number(out, "members", g->members);
		add_number(out, "partitions", g->offset_count);
		add_number(out, "lag", g->lag);
		strbuf_add_str(out, ",\"lag_seconds\":");
		if (g->age_ms < 0)
			strbuf_add_str(out, "null}");
		else
			strbuf_printf(out, "%.3f}", (double)g->age_ms / 1000);
	}
}

static void print_object(const struct top *t, enum show_output output)
{
	struct show_list list = { .output = output };
	struct top_flow f = top_flow_of(t);
	struct strbuf out = STRBUF_INIT;

	strbuf_printf(&out, "{\"time\":%lld,\"cluster\":", (long long)t->now->time);
	show_json_string(&out, t->now->cluster_id);
	strbuf_printf(&out, ",\"controller\":%d,\"partitions\":%d,\"offline\":%d,\"under_replicated\":%d", t->now->controller,
			t->now->partition_count, t->now->offline, t->now->behind);
	add_rate(&out, "records_per_second", f.records);
	add_rate(&out, "bytes_per_second", f.bytes);
	add_rate(&out, "requests_per_second", t->has_requests ? t->requests.all : -1);
	strbuf_add_str(&out, ",\"brokers\":[");
	add_brokers(t, &out);
	strbuf_add_str(&out, "],\"topics\":[");
	add_topics(t, &out);
	strbuf_add_str(&out, "],\"groups\":[");
	add_groups(t, &out);
	strbuf_add_str(&out, "]}");
	show_object(&list, &out);
	show_list_end(&list);
	strbuf_fini(&out);
}

void top_print(struct top *t, enum show_output output)
{
	if (show_is_json(output))
		print_object(t, output);
	else
		print_text(t, output == SHOW_WIDE);
}
