#include "log_txns.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "record/build.h"
#include "storage/segment.h"
#include "storage/segment_walk.h"

struct open_txn {
	int64_t producer_id, first;	/* the id, in memory, is the key */
};

struct reading {
	struct log_txns *t;
	const char      *dir;
	struct map       open;
	enum err         err;
};

static void add(struct log_txns *t, int64_t producer_id, int64_t first, int64_t last)
{
	if (t->count == t->room) {
		t->room = MAX(64, 2 * t->room);
		t->list = mem_realloc_array(t->list, (size_t)t->room, sizeof(*t->list));
	}
	t->list[t->count++] = (struct log_txn){ producer_id, first, last };
}

static void take_marker(struct reading *x, const struct marker *m, int64_t offset)
{
	struct open_txn *o = map_remove(&x->open, slice_of(&m->producer_id, sizeof(m->producer_id)));

	if (o != NULL && m->type == MARKER_ABORT)
		add(x->t, o->producer_id, o->first, offset);
	free(o);
}

static void take_batch(struct reading *x, struct segment_walk *w, const struct walk_step *s)
{
	int64_t id = batch_producer_id(s->header);
	struct slice batch;
	struct marker m;

	if (batch_is_control(s->header)) {
		if (segment_walk_bytes(w, s, &batch) == OK && marker_read(batch, &m) == OK)
			take_marker(x, &m, batch_last_offset(s->header));
	} else if (batch_is_transactional(s->header) && map_get(&x->open, slice_of(&id, sizeof(id))) == NULL) {
		struct open_txn *o = mem_alloc(sizeof(*o));

		*o = (struct open_txn){ id, batch_base_offset(s->header) };
		map_put(&x->open, slice_of(&o->producer_id, sizeof(o->producer_id)), o);
	}
}

/* Names come in byte order, which is the order of offsets. */
static void take_file(void *arg, const char *name, bool is_dir)
{
	struct reading *x = arg;
	char path[4096];
	const char *suffix;
	struct segment_walk w;
	struct walk_step s;
	int64_t base;

	if (x->err != OK || is_dir || !segment_parse_name(name, &base, &suffix) || strcmp(suffix, ".log") != 0)
		return;
	if (snprintf(path, sizeof(path), "%s/%s", x->dir, name) >= (int)sizeof(path)) {
		x->err = ERR_TOO_LARGE;
		return;
	}
	x->err = segment_walk_open(&w, os_real(), path, base);
	if (x->err != OK)
		return;
	while ((x->err = segment_walk_next(&w, &s)) == OK && s.kind != WALK_END) {
		if (s.kind == WALK_BATCH && s.fault == WALK_SOUND)
			take_batch(x, &w, &s);
	}
	segment_walk_close(&w);
}

static int by_producer(const void *a, const void *b)
{
	const struct log_txn *x = a, *y = b;

	if (x->producer_id != y->producer_id)
		return x->producer_id < y->producer_id ? -1 : 1;
	return (x->first > y->first) - (x->first < y->first);
}

enum err log_txns_read(struct log_txns *t, const char *dir)
{
	struct reading x = { .t = t, .dir = dir };

	t->count = 0;
	enum err e = os_list_dir(os_real(), dir, take_file, &x);
	MAP_FOREACH(f, &x.open) {
		const struct open_txn *o = f->value;

		add(t, o->producer_id, o->first, INT64_MAX);
		free(f->value);
	}
	map_fini(&x.open);
	if (t->count > 0)
		qsort(t->list, (size_t)t->count, sizeof(*t->list), by_producer);
	return e == OK ? x.err : e;
}

void log_txns_fini(struct log_txns *t)
{
	free(t->list);
	*t = (struct log_txns){ .list = NULL };
}

bool log_txns_has(const struct log_txns *t, int64_t producer_id, int64_t offset)
{
	int low = 0, high = t->count;

	while (low < high) {		/* the first that begins behind it, or is of a later producer */
		int mid = (low + high) / 2;
		if (t->list[mid].producer_id < producer_id || (t->list[mid].producer_id == producer_id && t->list[mid].first <= offset))
			low = mid + 1;
		else
			high = mid;
	}
	return low > 0 && t->list[low - 1].producer_id == producer_id && offset <= t->list[low - 1].last;
}
