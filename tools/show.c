#include "show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int show_by_name(const void *a, const void *b)
{
	const struct metadata_response_topic *const *x = a, *const *y = b;

	return slice_cmp((*x)->name, (*y)->name);
}

int show_by_partition(const void *a, const void *b)
{
	const struct metadata_response_partition *const *x = a, *const *y = b;

	return ((*x)->partition_index > (*y)->partition_index) - ((*x)->partition_index < (*y)->partition_index);
}

const void **show_sorted(const void *items, int32_t count, size_t size, int (*compare)(const void *, const void *))
{
	const void **list = mem_calloc((size_t)MAX(count, 1), sizeof(*list));

	for (int32_t i = 0; i < count; i++)
		list[i] = (const char *)items + (size_t)i * size;
	qsort(list, (size_t)MAX(count, 0), sizeof(*list), compare);
	return list;
}

bool show_output_of(const char *text, enum show_output *out)
{
	static const char *const names[] = { [SHOW_TEXT] = "text", [SHOW_WIDE] = "wide", [SHOW_JSON] = "json", [SHOW_NDJSON] = "ndjson" };

	for (size_t i = SHOW_TEXT; i < ARRAY_LEN(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*out = (enum show_output)i;
			return true;
		}
	}
	return false;
}

void show_object(struct show_list *l, const struct strbuf *object)
{
	if (l->output == SHOW_JSON)
		fputs(l->count == 0 ? "[\n" : ",\n", stdout);
	fwrite(strbuf_cstr(object), 1, object->len, stdout);
	if (l->output == SHOW_NDJSON)
		putchar('\n');
	l->count++;
}

void show_list_end(struct show_list *l)
{
	if (l->output == SHOW_JSON)
		fputs(l->count == 0 ? "[]\n" : "\n]\n", stdout);
}

const char *show_bytes(char out[SHOW_TEXT_SIZE], int64_t bytes)
{
	static const char units[] = "BKMGTPE";
	double n = (double)bytes;
	int unit = 0;

	while (n >= 1000 && units[unit + 1] != '\0') {
		n /= 1024;
		unit++;
	}
	if (bytes < 0)
		snprintf(out, SHOW_TEXT_SIZE, "-");
	else if (unit == 0)
		snprintf(out, SHOW_TEXT_SIZE, "%" PRId64 " B", bytes);
	else
		snprintf(out, SHOW_TEXT_SIZE, "%.1f %cB", n, units[unit]);
	return out;
}

const char *show_rate(char out[SHOW_TEXT_SIZE], double n)
{
	if (n < 0)
		snprintf(out, SHOW_TEXT_SIZE, "-");
	else if (n < 99.95)
		snprintf(out, SHOW_TEXT_SIZE, n < 0.05 ? "0" : "%.1f", n);
	else if (n < 9999.5)
		snprintf(out, SHOW_TEXT_SIZE, "%.0f", n);
	else if (n < 999950)
		snprintf(out, SHOW_TEXT_SIZE, "%.1f k", n / 1000);
	else
		snprintf(out, SHOW_TEXT_SIZE, "%.1f M", n / 1e6);
	return out;
}

const char *show_age(char out[SHOW_TEXT_SIZE], int64_t ms)
{
	int64_t s = ms / 1000;

	if (ms < 0)
		snprintf(out, SHOW_TEXT_SIZE, "-");
	else if (s < 60)
		snprintf(out, SHOW_TEXT_SIZE, "%" PRId64 " s", s);
	else if (s < 3600)
		snprintf(out, SHOW_TEXT_SIZE, "%" PRId64 "m%" PRId64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, SHOW_TEXT_SIZE, "%" PRId64 "h%" PRId64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(out, SHOW_TEXT_SIZE, "%" PRId64 "d%" PRId64 "h", s / 86400, s / 3600 % 24);
	return out;
}

const char *show_number(char out[SHOW_TEXT_SIZE], int64_t n)
{
	if (n < 0)
		snprintf(out, SHOW_TEXT_SIZE, "-");
	else
		snprintf(out, SHOW_TEXT_SIZE, "%" PRId64, n);
	return out;
}

void show_json_number(struct strbuf *out, int64_t n)
{
	if (n < 0)
		strbuf_add_str(out, "null");
	else
		strbuf_printf(out, "%" PRId64, n);
}

void show_ids(struct strbuf *out, const int32_t *ids, int32_t count)
{
	for (int32_t i = 0; i < count; i++)
		strbuf_printf(out, "%s%d", i > 0 ? "," : "", ids[i]);
}

void show_json_string(struct strbuf *out, struct slice s)
{
	strbuf_add_char(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '"' || s.ptr[i] == '\\')
			strbuf_add_char(out, '\\');
		if (s.ptr[i] < 0x20)
			strbuf_printf(out, "\\u%04x", s.ptr[i]);
		else
			strbuf_add_char(out, (char)s.ptr[i]);
	}
	strbuf_add_char(out, '"');
}

static bool is_listed(const int32_t *ids, int32_t count, int32_t id)
{
	for (int32_t i = 0; i < count; i++) {
		if (ids[i] == id)
			return true;
	}
	return false;
}

static bool is_below(const struct metadata_response_partition *p, int32_t isr_min)
{
	return p->isr_nodes_count < MIN(isr_min, p->replica_nodes_count);
}

bool show_has_trouble(const struct metadata_response_partition *p, int32_t isr_min)
{
	return p->leader_id < 0 || p->isr_nodes_count < p->replica_nodes_count || is_below(p, isr_min);
}

void show_troubles(struct strbuf *out, const struct metadata_response_partition *p, int32_t isr_min)
{
	const char *comma = "";

	if (p->leader_id < 0) {
		strbuf_add_str(out, "offline");
		comma = ", ";
	}
	if (is_below(p, isr_min)) {
		strbuf_printf(out, "%sbelow min.insync.replicas=%d", comma, isr_min);
		comma = ", ";
	}
	if (p->isr_nodes_count < p->replica_nodes_count) {
		const char *before = ": ";

		strbuf_printf(out, "%sunder-replicated", comma);
		for (int32_t i = 0; i < p->replica_nodes_count; i++) {
			if (is_listed(p->isr_nodes, p->isr_nodes_count, p->replica_nodes[i]))
				continue;
			strbuf_printf(out, "%s%d%s", before, p->replica_nodes[i],
				      is_listed(p->offline_replicas, p->offline_replicas_count, p->replica_nodes[i])
				      ? " is offline" : " is behind");
			before = ", ";
		}
	}
}

void show_partition_json(struct strbuf *out, const struct metadata_response_partition *p)
{
	strbuf_printf(out, "{\"partition\":%d,\"leader\":%d,\"leader_epoch\":%d,\"replicas\":[", p->partition_index,
		      p->leader_id, p->leader_epoch);
	show_ids(out, p->replica_nodes, p->replica_nodes_count);
	strbuf_add_str(out, "],\"isr\":[");
	show_ids(out, p->isr_nodes, p->isr_nodes_count);
	strbuf_add_str(out, "],\"offline\":[");
	show_ids(out, p->offline_replicas, p->offline_replicas_count);
	strbuf_add_str(out, "]}");
}
