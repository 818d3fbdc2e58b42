/*
 * skein cluster, skein cluster describe: the brokers, what each leads and holds, and how full its directories are.
 */
#include <stdio.h>

#include "base/address.h"
#include "cluster.h"
#include "look.h"
#include "table.h"
#include "tool.h"

#define LOOK_MS 2000	/* what a broker has not told of its directories by then stays unknown */

static const char *word(bool b)
{
	return b ? "true" : "false";
}

static void broker_object(struct strbuf *out, const struct look *l, const struct look_broker *b)
{
	strbuf_add_str(out, "{\"cluster\":");
	show_json_string(out, l->cluster_id);
	strbuf_printf(out, ",\"broker\":%d,\"online\":%s,\"controller\":%s,\"host\":", b->id, word(b->is != NULL), word(b->id == l->controller));
	if (b->is == NULL)
		strbuf_add_str(out, "null,\"port\":null");
	else
		show_json_string(out, b->is->host);
	if (b->is != NULL)
		strbuf_printf(out, ",\"port\":%d", b->is->port);
	strbuf_add_str(out, ",\"rack\":");
	if (b->is == NULL || slice_is_null(b->is->rack))
		strbuf_add_str(out, "null");
	else
		show_json_string(out, b->is->rack);
	strbuf_printf(out, ",\"leaders\":%d,\"replicas\":%d,\"bytes\":", b->leads, b->holds);
	show_json_number(out, b->bytes);
	strbuf_add_str(out, ",\"usable_bytes\":");
	show_json_number(out, b->bytes_usable);
	strbuf_add_str(out, ",\"total_bytes\":");
	show_json_number(out, b->bytes_total);
	strbuf_printf(out, ",\"dirs\":%d,\"failed_dirs\":%d}", b->dirs, b->dirs_failed);
}

static void broker_row(struct table *t, const struct look *l, const struct look_broker *b)
{
	char text[SHOW_TEXT_SIZE], address[ADDRESS_TEXT_SIZE];
	enum table_mark mark = b->is == NULL ? TABLE_BAD : b->error.err != OK || b->dirs_failed > 0 ? TABLE_WARN : TABLE_PLAIN;

	table_add(t, mark, "%d", b->id);
	if (b->is != NULL)
		table_add(t, TABLE_PLAIN, "%s", address_text(address, b->is->host, b->is->port));
	else
		table_add(t, TABLE_PLAIN, "-");
	table_add(t, TABLE_PLAIN, SLICE_FMT, SLICE_ARG(b->is != NULL && !slice_is_null(b->is->rack) ? b->is->rack : SLICE_LIT("-")));
	table_add(t, TABLE_PLAIN, "%d", b->leads);
	table_add(t, TABLE_PLAIN, "%d", b->holds);
	table_add(t, TABLE_PLAIN, "%s", show_bytes(text, b->bytes));
	table_add(t, TABLE_PLAIN, "%s", show_bytes(text, b->bytes_usable));
	table_add(t, mark, "%s%s%s", b->is == NULL ? "offline" : b->error.err != OK ? "no answer" : b->dirs_failed > 0 ? "directory failed" : "",
		  mark != TABLE_PLAIN && b->id == l->controller ? ", " : "", b->id == l->controller ? "controller" : "");
}

static void add_brokers(const struct look *l, struct table_form form, struct strbuf *out)
{
	static const struct table_column columns[] = {
		{ .head = "broker", .is_number = true }, { .head = "address", .rank = 3, .width_min = 12 }, { .head = "rack", .rank = 6, .width_min = 4 },
		{ .head = "leaders", .is_number = true, .rank = 1 }, { .head = "replicas", .is_number = true, .rank = 2 }, { .head = "size", .is_number = true, .rank = 4 },
		{ .head = "free", .is_number = true, .rank = 5 }, { .head = "" },
	};
	struct table t;

	form.indent = 2;
	table_init(&t, columns, (int)ARRAY_LEN(columns));
	for (int i = 0; i < l->broker_count; i++)
		broker_row(&t, l, &l->brokers[i]);
	table_format(&t, &form, out);
	table_fini(&t);
}

static int online_of(const struct look *l)
{
	int n = 0;

	for (int i = 0; i < l->broker_count; i++)
		n += l->brokers[i].is != NULL;
	return n;
}

static void add_head(const struct look *l, struct strbuf *out)
{
	int online = online_of(l);

	strbuf_printf(out, "cluster "SLICE_FMT"  %d broker%s  %d topic%s  ", SLICE_ARG(l->cluster_id), online, online == 1 ? "" : "s", l->topic_count,
		      l->topic_count == 1 ? "" : "s");
	strbuf_printf(out, l->controller >= 0 ? "controller %d\n" : "no controller\n", l->controller);
}

static void add_sums(const struct look *l, const struct table_form *form, struct strbuf *out)
{
	char text[64];

	strbuf_printf(out, "%d partition%s", l->partition_count, l->partition_count == 1 ? "" : "s");
	snprintf(text, sizeof(text), "%d without a leader", l->offline);
	strbuf_add_str(out, ", ");
	table_paint(out, form->has_color, l->offline > 0 ? TABLE_BAD : TABLE_PLAIN, text);
	snprintf(text, sizeof(text), "%d under-replicated", l->behind);
	strbuf_add_str(out, ", ");
	table_paint(out, form->has_color, l->behind > 0 ? TABLE_WARN : TABLE_PLAIN, text);
	strbuf_add_char(out, '\n');
}

static void print_text(const struct look *l, enum show_output output, bool is_all)
{
	struct table_form form = table_form_stdout();
	struct strbuf out = STRBUF_INIT;

	form.width = output == SHOW_WIDE ? 0 : form.width;
	add_head(l, &out);
	if (is_all)
		add_sums(l, &form, &out);
	add_brokers(l, form, &out);
	fwrite(strbuf_cstr(&out), 1, out.len, stdout);
	strbuf_fini(&out);
}

static void print_brokers(const struct look *l, enum show_output output)
{
	struct show_list list = { .output = output };
	struct strbuf out = STRBUF_INIT;

	for (int i = 0; i < l->broker_count; i++) {
		strbuf_reset(&out);
		broker_object(&out, l, &l->brokers[i]);
		show_object(&list, &out);
	}
	show_list_end(&list);
	strbuf_fini(&out);
}

static void print_all(const struct look *l, enum show_output output)
{
	struct show_list list = { .output = output };
	struct strbuf out = STRBUF_INIT;

	strbuf_add_str(&out, "{\"cluster\":");
	show_json_string(&out, l->cluster_id);
	strbuf_printf(&out, ",\"controller\":%d,\"topics\":%d,\"partitions\":%d,\"offline\":%d,\"under_replicated\":%d,\"brokers\":[", l->controller, l->topic_count,
		      l->partition_count, l->offline, l->behind);
	for (int i = 0; i < l->broker_count; i++) {
		strbuf_add_str(&out, i > 0 ? "," : "");
		broker_object(&out, l, &l->brokers[i]);
	}
	strbuf_add_str(&out, "]}");
	show_object(&list, &out);
	show_list_end(&list);
	strbuf_fini(&out);
}

int cluster_show(struct client *c, enum show_output output, bool is_all)
{
	struct look_spec spec = { .parts = LOOK_DIRS, .timeout_ms = LOOK_MS };
	struct look *l;
	int code = EXIT_OK;

	look_begin(&l, c, &spec);
	look_wait(l);
	for (int i = 0; i < l->broker_count; i++) {
		if (l->brokers[i].is != NULL && l->brokers[i].error.err != OK)
			tool_say("broker %d does not tell: %s", l->brokers[i].id, l->brokers[i].error.text);
	}
	if (l->error.err != OK)
		code = tool_fail(&l->error);
	else if (!show_is_json(output))
		print_text(l, output, is_all);
	else if (is_all)
		print_all(l, output);
	else
		print_brokers(l, output);
	look_end(&l);
	return code;
}
