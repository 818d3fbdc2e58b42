/*
 * The tables of skein top: of each view which rows there are, in which orders they can be, and what stands in their columns.
 */
#include "base/address.h"
#include "top.h"

#include <stdio.h>
#include <stdlib.h>

struct row {
	const void *item;		/* of the look */
	const struct look_topic *topic;	/* of a partition */
	char        name[TOP_NAME_MAX];	/* by which it is found again, and filtered */
	double      key;		/* the larger, the further up */
	int         at;			/* as collected: the order of those that are alike */
};

struct rows {
	struct row *items;
	int         count, room;
};

static void add_row(const struct top *t, struct rows *rows, const void *item, const struct look_topic *topic, const char *name)
{
	if (t->filter[0] != '\0' && strcasestr(name, t->filter) == NULL)
		return;
	if (rows->count == rows->room) {
		rows->room = MAX(2 * rows->room, 64);
		rows->items = mem_realloc_array(rows->items, (size_t)rows->room, sizeof(*rows->items));
	}
	rows->items[rows->count] = (struct row){ .item = item, .topic = topic, .at = rows->count };
	snprintf(rows->items[rows->count++].name, TOP_NAME_MAX, "%s", name);
}

static void add_named(const struct top *t, struct rows *rows, const void *item, struct slice name)
{
	char text[TOP_NAME_MAX];

	snprintf(text, sizeof(text), SLICE_FMT, (int)MIN(name.len, sizeof(text) - 1), name.ptr);
	add_row(t, rows, item, NULL, text);
}

static void add_partition(const struct top *t, struct rows *rows, const struct look_topic *topic, const struct look_partition *p)
{
	char text[TOP_NAME_MAX + 16];

	snprintf(text, sizeof(text), SLICE_FMT":%d", (int)MIN(topic->name.len, TOP_NAME_MAX - 16), topic->name.ptr, p->is->partition_index);
	add_row(t, rows, p, topic, text);
}

/* ---- numbers ---- */

static double used_share(int64_t total, int64_t usable)
{
	return total > 0 && usable >= 0 ? 100 * (double)(total - MIN(usable, total)) / (double)total : -1;
}

static void add_used(struct table *table, int64_t total, int64_t usable)
{
	double used = used_share(total, usable);

	if (used < 0)
		table_add(table, TABLE_PLAIN, "-");
	else
		table_add(table, used >= 95 ? TABLE_BAD : used >= 85 ? TABLE_WARN : TABLE_PLAIN, "%.0f%%", used);
}

static void add_bytes(struct table *table, double bytes)
{
	char text[SHOW_TEXT_SIZE];

	table_add(table, TABLE_PLAIN, "%s", show_bytes(text, bytes < 0 ? -1 : (int64_t)bytes));
}

static void add_rate(struct table *table, double rate)
{
	char text[SHOW_TEXT_SIZE];

	table_add(table, TABLE_PLAIN, "%s", show_rate(text, rate));
}

static void add_number(struct table *table, enum table_mark mark, int64_t n)
{
	char text[SHOW_TEXT_SIZE];

	table_add(table, mark, "%s", show_number(text, n));
}

static void add_age(struct table *table, int64_t ms)
{
	char text[SHOW_TEXT_SIZE];

	table_add(table, TABLE_PLAIN, "%s", show_age(text, ms));
}

static void add_ids(struct table *table, enum table_mark mark, const int32_t *ids, int32_t count)
{
	struct strbuf text = STRBUF_INIT;

	show_ids(&text, ids, count);
	table_add(table, mark, "%s", strbuf_cstr(&text));
	strbuf_fini(&text);
}

static void add_troubles(struct table *table, enum table_mark mark, const struct metadata_response_partition *is)
{
	struct strbuf text = STRBUF_INIT;

	show_troubles(&text, is, SHOW_NO_MIN_ISR);
	table_add(table, mark, "%s", strbuf_cstr(&text));
	strbuf_fini(&text);
}

static enum table_mark mark_of(const struct metadata_response_partition *is)
{
	return is->leader_id < 0 ? TABLE_BAD : show_has_trouble(is, SHOW_NO_MIN_ISR) ? TABLE_WARN : TABLE_PLAIN;
}

double top_broker_rate(const struct top *t, const struct look_broker *b)
{
	double sum = t->before != NULL ? 0 : -1;

	for (int i = 0; t->before != NULL && i < t->now->topic_count; i++) {
		const struct look_topic *topic = &t->now->topics[i];

		for (int32_t p = 0; p < topic->partition_count; p++) {
			if (topic->partitions[p].is->leader_id == b->id)
				sum += MAX(look_partition_rate(t->now, t->before, topic, topic->partitions[p].is->partition_index), 0);
		}
	}
	return sum;
}

/* ---- brokers ---- */

static const struct table_column broker_columns[] = {
	{ .head = "broker", .is_number = true }, { .head = "address", .rank = 4, .width_min = 12 }, { .head = "rack", .rank = 8, .width_min = 4 },
	{ .head = "leaders", .is_number = true, .rank = 5 }, { .head = "replicas", .is_number = true, .rank = 7 }, { .head = "records/s", .is_number = true, .rank = 2 },
	{ .head = "size", .is_number = true, .rank = 3 }, { .head = "free", .is_number = true, .rank = 6 },
	{ .head = "used", .is_number = true, .rank = 1 }, { .head = "" },
};

static void collect_brokers(const struct top *t, struct rows *rows)
{
	char name[TOP_NAME_MAX];

	for (int i = 0; i < t->now->broker_count; i++) {
		const struct look_broker *b = &t->now->brokers[i];

		snprintf(name, sizeof(name), "%d", b->id);
		add_row(t, rows, b, NULL, name);
	}
}

static double broker_key(const struct top *t, const struct row *r, int sort)
{
	const struct look_broker *b = r->item;

	return sort == 1 ? top_broker_rate(t, b) : sort == 2 ? (double)b->bytes : sort == 3 ? used_share(b->bytes_total, b->bytes_usable) : 0 - (double)b->id;
}

static void broker_cells(const struct top *t, struct table *table, const struct row *r)
{
	char address[ADDRESS_TEXT_SIZE];
	const struct look_broker *b = r->item;
	enum table_mark mark = b->is == NULL ? TABLE_BAD : b->error.err != OK || b->dirs_failed > 0 ? TABLE_WARN : TABLE_PLAIN;

	table_add(table, mark, "%d", b->id);
	if (b->is != NULL)
		table_add(table, TABLE_PLAIN, "%s", address_text(address, b->is->host, b->is->port));
	else
		table_add(table, TABLE_PLAIN, "-");
	table_add(table, TABLE_PLAIN, SLICE_FMT, SLICE_ARG(b->is != NULL && !slice_is_null(b->is->rack) ? b->is->rack : SLICE_LIT("-")));
	table_add(table, TABLE_PLAIN, "%d", b->leads);
	table_add(table, TABLE_PLAIN, "%d", b->holds);
	add_rate(table, b->is != NULL && b->error.err == OK ? top_broker_rate(t, b) : -1);
	add_bytes(table, (double)b->bytes);
	add_bytes(table, (double)b->bytes_usable);
	add_used(table, b->bytes_total, b->bytes_usable);
	table_add(table, mark, "%s%s%s", b->is == NULL ? "offline" : b->error.err != OK ? "no answer" : b->dirs_failed > 0 ? "directory failed" : "",
		  mark != TABLE_PLAIN && b->id == t->now->controller ? ", " : "", b->id == t->now->controller ? "controller" : "");
}

static const struct table_column dir_columns[] = {
	{ .head = "directory", .width_min = 20 }, { .head = "replicas", .is_number = true, .rank = 4 }, { .head = "size", .is_number = true, .rank = 2 },
	{ .head = "free", .is_number = true, .rank = 3 }, { .head = "of", .is_number = true, .rank = 5 },
	{ .head = "used", .is_number = true, .rank = 1 }, { .head = "" },
};

static void collect_dirs(const struct top *t, struct rows *rows)
{
	for (int i = 0; i < t->now->dir_count; i++) {
		if (t->now->dirs[i].broker == atoi(t->inside))
			add_named(t, rows, &t->now->dirs[i], t->now->dirs[i].path);
	}
}

static double dir_key(const struct top *t UNUSED, const struct row *r UNUSED, int sort UNUSED)
{
	return 0;
}

static void dir_cells(const struct top *t UNUSED, struct table *table, const struct row *r)
{
	const struct look_dir *d = r->item;

	table_add(table, d->error != NONE ? TABLE_BAD : TABLE_PLAIN, SLICE_FMT, SLICE_ARG(d->path));
	table_add(table, TABLE_PLAIN, "%d", d->replicas);
	add_bytes(table, (double)d->bytes);
	add_bytes(table, (double)d->bytes_usable);
	add_bytes(table, (double)d->bytes_total);
	add_used(table, d->bytes_total, d->bytes_usable);
	table_add(table, TABLE_BAD, "%s", d->error == NONE ? "" : d->error == KAFKA_STORAGE_ERROR ? "failed" : kafka_error_name(d->error));
}

/* ---- topics ---- */

static const struct table_column topic_columns[] = {
	{ .head = "topic", .width_min = 20 }, { .head = "partitions", .is_number = true, .rank = 6 }, { .head = "records/s", .is_number = true, .rank = 1 },
	{ .head = "bytes/s", .is_number = true, .rank = 2 }, { .head = "records", .is_number = true, .rank = 5 }, { .head = "size", .is_number = true, .rank = 3 },
	{ .head = "", .rank = 4, .width_min = 10 },
};

static void collect_topics(const struct top *t, struct rows *rows)
{
	for (int i = 0; i < t->now->topic_count; i++)
		add_named(t, rows, &t->now->topics[i], t->now->topics[i].name);
}

static double topic_key(const struct top *t, const struct row *r, int sort)
{
	const struct look_topic *topic = r->item;

	return sort == 0 ? look_records_rate(t->now, t->before, topic) :
	       sort == 1 ? look_bytes_rate(t->now, t->before, topic) : sort == 2 ? (double)topic->bytes :
	       sort == 3 ? (double)topic->records : 0;
}

static void topic_cells(const struct top *t, struct table *table, const struct row *r)
{
	const struct look_topic *topic = r->item;

	table_add(table, topic->offline > 0 ? TABLE_BAD : TABLE_PLAIN, SLICE_FMT, SLICE_ARG(topic->name));
	table_add(table, TABLE_PLAIN, "%d", topic->partition_count);
	add_rate(table, look_records_rate(t->now, t->before, topic));
	add_bytes(table, look_bytes_rate(t->now, t->before, topic));
	add_number(table, TABLE_PLAIN, topic->records);
	add_bytes(table, (double)topic->bytes);
	if (topic->offline > 0)
		table_add(table, TABLE_BAD, "%d offline", topic->offline);
	else if (topic->behind > 0)
		table_add(table, TABLE_WARN, "%d under-replicated", topic->behind);
	else
		table_add(table, TABLE_PLAIN, "%s", "");
}

static const struct table_column partition_columns[] = {
	{ .head = "partition", .is_number = true }, { .head = "leader", .is_number = true, .rank = 1 }, { .head = "replicas", .rank = 7, .width_min = 8 },
	{ .head = "in sync", .rank = 3, .width_min = 8 }, { .head = "start", .is_number = true, .rank = 8 }, { .head = "end", .is_number = true, .rank = 5 },
	{ .head = "records/s", .is_number = true, .rank = 2 }, { .head = "size", .is_number = true, .rank = 4 }, { .head = "", .rank = 6, .width_min = 10 },
};

static void collect_partitions(const struct top *t, struct rows *rows)
{
	const struct look_topic *topic = look_topic_of(t->now, slice_str(t->inside));

	for (int32_t i = 0; topic != NULL && i < topic->partition_count; i++)
		add_partition(t, rows, topic, &topic->partitions[i]);
}

static double partition_key(const struct top *t, const struct row *r, int sort)
{
	const struct look_partition *p = r->item;

	return sort == 1 ? look_partition_rate(t->now, t->before, r->topic, p->is->partition_index) :
	       sort == 2 ? (double)p->bytes : 0 - (double)p->is->partition_index;
}

static void partition_cells(const struct top *t, struct table *table, const struct row *r)
{
	const struct look_partition *p = r->item;
	enum table_mark mark = mark_of(p->is);

	table_add(table, mark, "%d", p->is->partition_index);
	add_number(table, mark, p->is->leader_id);
	add_ids(table, TABLE_PLAIN, p->is->replica_nodes, p->is->replica_nodes_count);
	add_ids(table, mark, p->is->isr_nodes, p->is->isr_nodes_count);
	add_number(table, TABLE_PLAIN, p->start);
	add_number(table, TABLE_PLAIN, p->end);
	add_rate(table, look_partition_rate(t->now, t->before, r->topic, p->is->partition_index));
	add_bytes(table, (double)p->bytes);
	add_troubles(table, mark, p->is);
}

/* ---- partitions that are out of order ---- */

static const struct table_column trouble_columns[] = {
	{ .head = "partition", .width_min = 16 }, { .head = "leader", .is_number = true, .rank = 3 }, { .head = "replicas", .rank = 2, .width_min = 8 },
	{ .head = "in sync", .rank = 1, .width_min = 8 }, { .head = "what is out of order", .width_min = 16 },
};

static void collect_troubles(const struct top *t, struct rows *rows)
{
	for (int i = 0; i < t->now->topic_count; i++) {
		const struct look_topic *topic = &t->now->topics[i];

		for (int32_t p = 0; topic->offline + topic->behind > 0 && p < topic->partition_count; p++) {
			if (show_has_trouble(topic->partitions[p].is, SHOW_NO_MIN_ISR))
				add_partition(t, rows, topic, &topic->partitions[p]);
		}
	}
}

/* Those without a leader first. */
static double trouble_key(const struct top *t UNUSED, const struct row *r, int sort UNUSED)
{
	return ((const struct look_partition *)r->item)->is->leader_id < 0 ? 1 : 0;
}

static void trouble_cells(const struct top *t UNUSED, struct table *table, const struct row *r)
{
	const struct look_partition *p = r->item;
	enum table_mark mark = mark_of(p->is);

	table_add(table, TABLE_PLAIN, SLICE_FMT":%d", SLICE_ARG(r->topic->name), p->is->partition_index);
	add_number(table, mark, p->is->leader_id);
	add_ids(table, TABLE_PLAIN, p->is->replica_nodes, p->is->replica_nodes_count);
	add_ids(table, mark, p->is->isr_nodes, p->is->isr_nodes_count);
	add_troubles(table, mark, p->is);
}

/* ---- groups ---- */

static const struct table_column group_columns[] = {
	{ .head = "group", .width_min = 16 }, { .head = "state", .rank = 4, .width_min = 6 }, { .head = "members", .is_number = true, .rank = 3 },
	{ .head = "partitions", .is_number = true, .rank = 5 }, { .head = "lag", .is_number = true, .rank = 1 }, { .head = "lag time", .is_number = true, .rank = 2 },
};

static void collect_groups(const struct top *t, struct rows *rows)
{
	for (int i = 0; i < t->now->group_count; i++)
		add_named(t, rows, t->now->groups[i], t->now->groups[i]->id);
}

static double group_key(const struct top *t UNUSED, const struct row *r, int sort)
{
	const struct look_group *g = r->item;

	return sort == 0 ? (double)g->lag : sort == 1 ? (double)g->age_ms : 0;
}

static void group_cells(const struct top *t UNUSED, struct table *table, const struct row *r)
{
	const struct look_group *g = r->item;

	table_add(table, TABLE_PLAIN, SLICE_FMT, SLICE_ARG(g->id));
	table_add(table, slice_eq_str(g->state, "Stable") || slice_eq_str(g->state, "Empty") ? TABLE_PLAIN : TABLE_WARN, SLICE_FMT, SLICE_ARG(g->state));
	add_number(table, TABLE_PLAIN, g->members);
	table_add(table, TABLE_PLAIN, "%d", g->offset_count);
	add_number(table, g->lag > 0 && g->members == 0 ? TABLE_WARN : TABLE_PLAIN, g->lag);
	add_age(table, g->age_ms);
}

static const struct table_column offset_columns[] = {
	{ .head = "partition", .width_min = 16 }, { .head = "committed", .is_number = true, .rank = 5 }, { .head = "end", .is_number = true, .rank = 4 },
	{ .head = "lag", .is_number = true }, { .head = "lag time", .is_number = true, .rank = 1 },
	{ .head = "client", .rank = 2, .width_min = 8 }, { .head = "host", .rank = 3 },
};

static void collect_offsets(const struct top *t, struct rows *rows)
{
	const struct look_group *g = look_group_of(t->now, slice_str(t->inside));
	char text[TOP_NAME_MAX + 16];

	for (int i = 0; g != NULL && i < g->offset_count; i++) {
		const struct look_offset *o = &g->offsets[i];

		snprintf(text, sizeof(text), SLICE_FMT":%d", (int)MIN(o->topic.len, TOP_NAME_MAX - 16), o->topic.ptr, o->partition);
		add_row(t, rows, o, NULL, text);
	}
}

static double offset_key(const struct top *t, const struct row *r, int sort)
{
	const struct look_offset *o = r->item;

	return sort == 0 ? (double)o->lag : sort == 1 ? (double)look_age(t->now, o) : 0;
}

static void offset_cells(const struct top *t, struct table *table, const struct row *r)
{
	const struct look_offset *o = r->item;

	table_add(table, TABLE_PLAIN, SLICE_FMT":%d", SLICE_ARG(o->topic), o->partition);
	add_number(table, TABLE_PLAIN, o->committed);
	add_number(table, TABLE_PLAIN, o->end);
	add_number(table, o->lag > 0 && o->member == NULL ? TABLE_WARN : TABLE_PLAIN, o->lag);
	add_age(table, look_age(t->now, o));
	table_add(table, TABLE_PLAIN, SLICE_FMT, SLICE_ARG(o->member != NULL ? o->member->client_id : SLICE_EMPTY));
	table_add(table, TABLE_PLAIN, SLICE_FMT, SLICE_ARG(o->member != NULL ? o->member->host : SLICE_EMPTY));
}

/* ---- views ---- */

static const struct view {
	const char                *name;
	const struct table_column *columns;
	int                        column_count;
	void                     (*collect)(const struct top *t, struct rows *rows);
	double                   (*key)(const struct top *t, const struct row *r, int sort);
	void                     (*cells)(const struct top *t, struct table *table, const struct row *r);
	const char                *sorts[5];
} views[TOP_VIEWS] = {
#define COLUMNS(c) .columns = c, .column_count = (int)ARRAY_LEN(c)
	[TOP_OVERVIEW] = { .name = "Overview" },
	[TOP_BROKERS] = { "Brokers", COLUMNS(broker_columns), collect_brokers, broker_key, broker_cells, { "id", "records/s", "size", "used" } },
	[TOP_TOPICS] = { "Topics", COLUMNS(topic_columns), collect_topics, topic_key, topic_cells, { "records/s", "bytes/s", "size", "records", "name" } },
	[TOP_GROUPS] = { "Groups", COLUMNS(group_columns), collect_groups, group_key, group_cells, { "lag", "lag time", "name" } },
	[TOP_TROUBLE] = { "Trouble", COLUMNS(trouble_columns), collect_troubles, trouble_key, trouble_cells, { NULL } },
	[TOP_BROKER] = { "Broker", COLUMNS(dir_columns), collect_dirs, dir_key, dir_cells, { NULL } },
	[TOP_TOPIC] = { "Topic", COLUMNS(partition_columns), collect_partitions, partition_key, partition_cells, { "partition", "records/s", "size" } },
	[TOP_GROUP] = { "Group", COLUMNS(offset_columns), collect_offsets, offset_key, offset_cells, { "lag", "lag time", "partition" } },
#undef COLUMNS
};

const char *top_view_name(enum top_view view)
{
	return views[view].name;
}

int top_sort_count(enum top_view view)
{
	int n = 0;

	while (n < (int)ARRAY_LEN(views[view].sorts) && views[view].sorts[n] != NULL)
		n++;
	return n;
}

const char *top_sort_name(const struct top *t, enum top_view view)
{
	int n = top_sort_count(view);

	return n > 0 ? views[view].sorts[t->places[view].sort % n] : NULL;
}

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->key != y->key ? (x->key < y->key) - (x->key > y->key) : x->at - y->at;
}

/* What was picked is followed by its name; when that is gone, the row in its place is picked. */
static void find_pick(struct top_place *place, const struct rows *rows, int room)
{
	int at = -1;

	for (int i = 0; i < rows->count && place->name[0] != '\0'; i++) {
		if (strcmp(rows->items[i].name, place->name) == 0)
			at = i;
	}
	place->picked = at >= 0 ? at : MAX(MIN(place->picked, rows->count - 1), 0);
	snprintf(place->name, sizeof(place->name), "%s", rows->count > 0 ? rows->items[place->picked].name : "");
	place->first = MIN(place->first, MAX(rows->count - room, 0));
	place->first = MAX(MIN(place->first, place->picked), place->picked - room + 1);
	place->first = MAX(place->first, 0);
}

int top_table(struct top *t, enum top_view view, const struct table_form *form, int room, bool has_pick, struct strbuf *out)
{
	const struct view *v = &views[view];
	struct top_place *place = &t->places[view];
	struct table_form own = *form;
	struct rows rows = { .count = 0 };
	struct table table;

	v->collect(t, &rows);
	for (int i = 0; i < rows.count; i++)
		rows.items[i].key = v->key(t, &rows.items[i], place->sort % MAX(top_sort_count(view), 1));
	if (rows.count > 0)
		qsort(rows.items, (size_t)rows.count, sizeof(*rows.items), compare_rows);
	if (has_pick)
		find_pick(place, &rows, room);
	table_init(&table, v->columns, v->column_count);
	for (int i = 0; i < rows.count; i++)
		v->cells(t, &table, &rows.items[i]);
	own.has_pick = has_pick;
	own.pick = place->picked;
	own.first = has_pick ? place->first : 0;
	own.rows = room;
	table_format(&table, &own, out);
	table_fini(&table);
	free(rows.items);
	return rows.count;
}
