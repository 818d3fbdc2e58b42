/*
 * The simulated disk: what is written, what is surely stored, and what a power cut may leave. Mean,
 * but not impossible: every state it produces is one that a journalling file system on a disk with
 * atomic sectors could produce.
 *
 * Content. A file has two images: `now`, which readers see, and `stable`, which the device surely
 * has; between them lies the list of writes and truncations since the last sync. Pages are written
 * back at any time and in any order, so after a cut each sector of the file holds one of the
 * versions it had since the sync: the version after the first k of the writes, k drawn per sector
 * ("chaos"), or one k for the whole file with the next write torn at a byte ("ordered", the common
 * case), or none, or all. A sector never mixes a newer write with the lack of an older one. The
 * size is drawn separately, from the sizes it had, so that a file may have grown without its data
 * (zeros) or the data be lost beyond the size. Bytes that no unsynced write touched are never
 * harmed.
 *
 * Names. Creations, renames and removals are changes of directories, atomic, remembered until one
 * of their directories is synced. After a cut each directory shows a prefix of its changes;
 * prefixes of different directories are independent, but an operation on two of them happened in
 * both or in neither. A file's sync does not make its name durable.
 *
 * After a failed sync the dirty pages count as clean: some reached the device, some did not, and no
 * later sync brings them back; readers may or may not see the device's state already.
 */
#include "os/sim_priv.h"

#include <errno.h>
#include <stdlib.h>

#define WRITES_MAX 4096		/* unsynced writes remembered per file; the oldest is then written back, as a kernel would */

/* --- bytes ------------------------------------------------------------------------------------ */

static void bytes_hold(struct sim_bytes *b, size_t end)
{
	if (end <= b->capacity)
		return;
	size_t capacity = MAX(end, MAX(b->capacity * 2, (size_t)SIM_SECTOR));
	b->at = mem_realloc_array(b->at, capacity, 1);
	memset(b->at + b->capacity, 0, capacity - b->capacity);
	b->capacity = capacity;
}

static void bytes_zero(struct sim_bytes *b, size_t pos, size_t end)
{
	end = MIN(end, b->capacity);
	if (pos < end)
		memset(b->at + pos, 0, end - pos);
}

static void bytes_resize(struct sim_bytes *b, size_t size)
{
	bytes_zero(b, size, b->size);
	b->size = size;
}

/* Grows when needed. */
static void bytes_put(struct sim_bytes *b, size_t pos, const void *data, size_t len)
{
	if (len == 0)
		return;
	if (pos + len > b->size)
		bytes_resize(b, pos + len);
	bytes_hold(b, pos + len);
	memcpy(b->at + pos, data, len);
}

static void bytes_copy(struct sim_bytes *to, const struct sim_bytes *from)
{
	bytes_resize(to, 0);
	bytes_resize(to, from->size);
	bytes_put(to, 0, from->at, MIN(from->size, from->capacity));
}

void sim_bytes_read(const struct sim_bytes *b, size_t pos, void *buf, size_t len)
{
	size_t held = MIN(len, b->capacity - MIN(pos, b->capacity));

	if (held != 0)
		memcpy(buf, b->at + pos, held);
	memset((uint8_t *)buf + held, 0, len - held);
}

/* --- inodes ----------------------------------------------------------------------------------- */

static void names_clear(struct sim_names *n, bool is_now);
static void drop_write(struct sim_inode *f, struct sim_write *w);

struct sim_inode *sim_inode_create(struct sim_disk *d, bool is_dir, struct sim_volume *volume, int64_t now_ns)
{
	struct sim_inode *i = mem_calloc(1, sizeof(*i));

	i->number = d->next_number++;
	i->is_dir = is_dir;
	i->volume = volume;
	i->mtime_ns = now_ns;
	i->locked_by = -1;
	list_init(&i->writes);
	list_push_back(&d->inodes, &i->link);
	return i;
}

static void inode_free(struct sim_inode *i)
{
	ASSERT(i->uses == 0);
	list_remove(&i->link);
	while (!list_empty(&i->writes))
		drop_write(i, LIST_ENTRY(i->writes.next, struct sim_write, link));
	names_clear(&i->names_now, true);
	names_clear(&i->names_stable, false);
	free(i->now.at);
	free(i->stable.at);
	free(i);
}

static void inode_ref(struct sim_inode *i)
{
	i->refs++;
}

static void inode_unref(struct sim_inode *i)
{
	ASSERT(i->refs > 0);
	if (--i->refs == 0)
		inode_free(i);
}

void sim_inode_use(struct sim_inode *i)
{
	inode_ref(i);
	if (i->uses++ == 0)
		i->volume->used += i->now.size;
}

void sim_inode_unuse(struct sim_inode *i)
{
	ASSERT(i->uses > 0);
	if (--i->uses == 0)
		i->volume->used -= i->now.size;
	inode_unref(i);
}

static void file_resize(struct sim_inode *f, size_t size)
{
	if (f->uses > 0)
		f->volume->used += size - f->now.size;
	bytes_resize(&f->now, size);
}

/* --- names ------------------------------------------------------------------------------------ */

static size_t names_lower_bound(const struct sim_names *n, const char *name)
{
	size_t lo = 0, hi = n->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (strcmp(n->at[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct sim_inode *sim_names_find(const struct sim_names *n, const char *name)
{
	size_t i = names_lower_bound(n, name);

	return i < n->count && strcmp(n->at[i].name, name) == 0 ? n->at[i].inode : NULL;
}

static void name_drop(struct sim_entry *e, bool is_now)
{
	free(e->name);
	if (is_now)
		sim_inode_unuse(e->inode);
	else
		inode_unref(e->inode);
}

/* inode NULL: the name goes. */
static void names_set(struct sim_names *n, const char *name, struct sim_inode *inode, bool is_now)
{
	size_t i = names_lower_bound(n, name);

	if (inode != NULL) {	/* before the old meaning goes: it may be the same */
		if (is_now)
			sim_inode_use(inode);
		else
			inode_ref(inode);
	}
	if (i < n->count && strcmp(n->at[i].name, name) == 0) {
		name_drop(&n->at[i], is_now);
		n->count--;
		memmove(n->at + i, n->at + i + 1, (n->count - i) * sizeof(*n->at));
	}
	if (inode == NULL)
		return;
	if (n->count == n->capacity) {
		n->capacity = MAX(n->capacity * 2, (size_t)8);
		n->at = mem_realloc_array(n->at, n->capacity, sizeof(*n->at));
	}
	memmove(n->at + i + 1, n->at + i, (n->count - i) * sizeof(*n->at));
	n->at[i] = (struct sim_entry){ mem_strdup(name), inode };
	n->count++;
}

static void names_clear(struct sim_names *n, bool is_now)
{
	for (size_t i = 0; i < n->count; i++)
		name_drop(&n->at[i], is_now);
	free(n->at);
	*n = (struct sim_names){ 0 };
}

static void apply_change(const struct sim_change *c, bool is_now)
{
	names_set(is_now ? &c->dir->names_now : &c->dir->names_stable, c->name, c->inode, is_now);
}

static void op_free(struct sim_name_op *op)
{
	list_remove(&op->link);
	for (int i = 0; i < op->n; i++) {
		struct sim_change *c = &op->change[i];
		free(c->name);
		inode_unref(c->dir);
		if (c->inode != NULL)
			inode_unref(c->inode);
	}
	free(op);
}

void sim_disk_rename(struct sim_disk *d, const struct sim_change *a, const struct sim_change *b, int64_t now_ns)
{
	struct sim_name_op *op = mem_calloc(1, sizeof(*op));

	op->n = b != NULL ? 2 : 1;
	op->change[0] = *a;
	if (b != NULL)
		op->change[1] = *b;
	for (int i = 0; i < op->n; i++) {
		struct sim_change *c = &op->change[i];
		c->name = mem_strdup(c->name);
		inode_ref(c->dir);
		if (c->inode != NULL)
			inode_ref(c->inode);
		c->dir->mtime_ns = now_ns;
	}
	list_push_back(&d->name_ops, &op->link);
	for (int i = 0; i < op->n; i++)
		apply_change(&op->change[i], true);
}

/* The directory becomes stable, and with it whatever happened together with, or before, its changes in their other directories. */
static void sync_names(struct sim_disk *d, struct sim_inode *dir)
{
	dir->is_marked = true;
	for (struct list *l = d->name_ops.prev; l != &d->name_ops; l = l->prev) {
		struct sim_name_op *op = LIST_ENTRY(l, struct sim_name_op, link);
		op->is_marked = op->change[0].dir->is_marked || (op->n == 2 && op->change[1].dir->is_marked);
		if (op->is_marked)
			op->change[0].dir->is_marked = op->change[op->n - 1].dir->is_marked = true;
	}
	LIST_FOREACH(l, &d->inodes)
		LIST_ENTRY(l, struct sim_inode, link)->is_marked = false;
	LIST_FOREACH(l, &d->name_ops) {
		struct sim_name_op *op = LIST_ENTRY(l, struct sim_name_op, link);
		if (!op->is_marked)
			continue;
		for (int i = 0; i < op->n; i++)
			apply_change(&op->change[i], false);
		op_free(op);
	}
}

int sim_disk_find(struct sim_disk *d, const char *path, struct sim_place *out, const struct sim_inode *through, bool *is_through)
{
	struct sim_inode *at = d->root;

	*out = (struct sim_place){ .inode = at };
	if (path[0] == '\0')
		return ENOENT;
	for (;;) {
		path += strspn(path, "/");
		size_t len = strcspn(path, "/");
		if (len == 0)
			return 0;
		if (at == NULL)
			return ENOENT;
		if (!at->is_dir)
			return ENOTDIR;
		if (at == through)
			*is_through = true;
		if (len >= sizeof(out->name))
			return ENAMETOOLONG;
		if (len == 2 && path[0] == '.' && path[1] == '.')
			return EINVAL;		/* nobody needs it, and "where did that come from" is worth an error */
		if (!(len == 1 && path[0] == '.')) {
			memcpy(out->name, path, len);
			out->name[len] = '\0';
			out->parent = at;
			at = out->inode = sim_names_find(&at->names_now, out->name);
		}
		path += len;
	}
}

/* --- content ---------------------------------------------------------------------------------- */

static void drop_write(struct sim_inode *f, struct sim_write *w)
{
	list_remove(&w->link);
	f->write_count--;
	free(w);
}

static void apply_write(struct sim_bytes *to, const struct sim_write *w)
{
	if (w->is_truncate)
		bytes_resize(to, w->size_after);
	else
		bytes_put(to, w->pos, w->data, w->len);
}

static void write_back_oldest(struct sim_inode *f)
{
	struct sim_write *w = LIST_ENTRY(f->writes.next, struct sim_write, link);

	apply_write(&f->stable, w);
	drop_write(f, w);
}

static void remember_write(struct sim_inode *f, const void *data, size_t len, size_t pos, bool is_truncate)
{
	struct sim_write *w = mem_calloc(1, sizeof(*w) + len);

	w->is_truncate = is_truncate;
	w->pos = pos;
	w->len = len;
	w->size_after = f->now.size;
	if (len != 0)
		memcpy(w->data, data, len);
	list_push_back(&f->writes, &w->link);
	if (++f->write_count > WRITES_MAX)
		write_back_oldest(f);
}

int sim_inode_write(struct sim_inode *f, const void *data, size_t len, size_t pos, int64_t now_ns)
{
	struct sim_volume *v = f->volume;
	uint64_t room = v->capacity - MIN(v->used, v->capacity);
	int e = 0;

	if (len == 0)
		return 0;
	if (pos + len > f->now.size && pos + len - f->now.size > room) {
		size_t end = f->now.size + (size_t)room;
		e = ENOSPC;
		if (end <= pos)
			return e;
		len = end - pos;
	}
	if (pos + len > f->now.size)
		file_resize(f, pos + len);
	bytes_put(&f->now, pos, data, len);
	f->mtime_ns = now_ns;
	remember_write(f, data, len, pos, false);
	return e;
}

int sim_inode_truncate(struct sim_inode *f, size_t size, int64_t now_ns)
{
	struct sim_volume *v = f->volume;

	if (size > f->now.size && size - f->now.size > v->capacity - MIN(v->used, v->capacity))
		return ENOSPC;
	file_resize(f, size);
	f->mtime_ns = now_ns;
	remember_write(f, NULL, 0, 0, true);
	return 0;
}

void sim_inode_sync(struct sim_disk *d, struct sim_inode *i)
{
	if (i->is_dir)
		sync_names(d, i);
	while (!list_empty(&i->writes))
		write_back_oldest(i);
}

/* --- what a power cut leaves ------------------------------------------------------------------ */

/* The first `whole` writes are on the device, and `torn` bytes of the next. */
static void cut_in_order(struct sim_inode *f, size_t whole, struct sim_rng *r)
{
	size_t i = 0;

	LIST_FOREACH(l, &f->writes) {
		const struct sim_write *w = LIST_ENTRY(l, struct sim_write, link);
		if (i < whole)
			apply_write(&f->stable, w);
		else if (i == whole && !w->is_truncate)
			bytes_put(&f->stable, w->pos, w->data, (size_t)sim_rng_below(r, w->len + 1));
		i++;
	}
}

/* How many of the n writes this sector saw: none and all are likelier than something between. */
static size_t sector_version(uint64_t salt, size_t sector, size_t n)
{
	uint64_t r = sim_mix(salt, sector);

	switch (r % 4) {
	case 0:  return 0;
	case 1:  return n;
	default: return (size_t)(r / 4 % (n + 1));
	}
}

static void apply_write_by_sector(struct sim_bytes *to, const struct sim_write *w, size_t i, uint64_t salt, size_t n)
{
	size_t begin = w->is_truncate ? w->size_after : w->pos;
	size_t end = w->is_truncate ? to->size : w->pos + w->len;

	for (size_t at = begin; at < end;) {
		size_t sector = at / SIM_SECTOR;
		size_t stop = MIN((sector + 1) * SIM_SECTOR, end);
		if (i < sector_version(salt, sector, n)) {
			if (w->is_truncate)
				bytes_zero(to, at, stop);
			else
				bytes_put(to, at, w->data + (at - w->pos), stop - at);
		}
		at = stop;
	}
}

static void cut_in_chaos(struct sim_inode *f, struct sim_rng *r)
{
	size_t n = f->write_count, largest = f->stable.size, size = f->stable.size, next = size, i = 0;
	size_t size_version = sector_version(sim_rng_next(r), 0, n);
	uint64_t salt = sim_rng_next(r);

	LIST_FOREACH(l, &f->writes) {
		size_t after = LIST_ENTRY(l, struct sim_write, link)->size_after;
		largest = MAX(largest, after);
		if (i < size_version)
			size = after;
		if (i <= size_version)
			next = after;
		i++;
	}
	bytes_resize(&f->stable, largest);
	i = 0;
	LIST_FOREACH(l, &f->writes)
		apply_write_by_sector(&f->stable, LIST_ENTRY(l, struct sim_write, link), i++, salt, n);
	if (next > size && sim_rng_chance(r, 250000))	/* a write long enough to show its size page by page */
		size += (size_t)sim_rng_below(r, next - size);
	bytes_resize(&f->stable, size);
}

/* Moves `stable` to what the device holds after a cut, and forgets the writes. */
static void cut_file(struct sim_inode *f, struct sim_rng *r)
{
	size_t n = f->write_count;

	if (n == 0)
		return;
	switch (sim_rng_below(r, 6)) {
	case 0:         break;						/* nothing was written back yet */
	case 1:         cut_in_order(f, n, r); break;			/* everything was */
	case 2: case 3: cut_in_order(f, (size_t)sim_rng_below(r, n), r); break;
	default:        cut_in_chaos(f, r); break;
	}
	while (!list_empty(&f->writes))
		drop_write(f, LIST_ENTRY(f->writes.next, struct sim_write, link));
}

void sim_inode_sync_failed(struct sim_disk *d, struct sim_inode *i)
{
	if (i->is_dir || i->write_count == 0)
		return;
	cut_file(i, &d->rng);
	if (sim_rng_chance(&d->rng, 500000)) {		/* the clean pages were dropped, and read again; the size stays */
		size_t size = i->now.size;
		bytes_copy(&i->now, &i->stable);
		bytes_resize(&i->now, size);
	}
	/* What the cache shows and the device lacks is nobody's duty any more: not in the list, so no sync brings it. */
}

static void cut_names(struct sim_disk *d)
{
	static const unsigned keep_per_million[] = { 0, 300000, 700000, 950000, 1000000 };
	unsigned keep = keep_per_million[sim_rng_below(&d->rng, ARRAY_LEN(keep_per_million))];
	bool all_lost = false;

	LIST_FOREACH(l, &d->name_ops) {
		struct sim_name_op *op = LIST_ENTRY(l, struct sim_name_op, link);
		struct sim_inode *a = op->change[0].dir, *b = op->change[op->n - 1].dir;
		bool is_lost = all_lost || a->is_marked || b->is_marked || !sim_rng_chance(&d->rng, keep);
		if (is_lost) {
			a->is_marked = true;
			/* Between two directories: had a tree moved and moved back, what follows might now make a circle. */
			all_lost |= a != b;
			continue;
		}
		for (int i = 0; i < op->n; i++)
			apply_change(&op->change[i], false);
	}
	while (!list_empty(&d->name_ops))
		op_free(LIST_ENTRY(d->name_ops.next, struct sim_name_op, link));
}

static void cut_directory(struct sim_inode *dir)
{
	struct sim_names now = { 0 };

	dir->is_marked = false;
	for (size_t i = 0; i < dir->names_stable.count; i++)
		names_set(&now, dir->names_stable.at[i].name, dir->names_stable.at[i].inode, true);
	names_clear(&dir->names_now, true);
	dir->names_now = now;
}

void sim_disk_power_cut(struct sim_disk *d)
{
	struct sim_inode **dirs = NULL;
	size_t count = 0;

	cut_names(d);
	LIST_FOREACH(l, &d->inodes) {
		struct sim_inode *i = LIST_ENTRY(l, struct sim_inode, link);
		if (i->is_dir) {
			/* Held, because a directory that loses a name may be the last to hold another. */
			inode_ref(i);
			dirs = mem_realloc_array(dirs, count + 1, sizeof(*dirs));
			dirs[count++] = i;
			continue;
		}
		cut_file(i, &d->rng);
		file_resize(i, i->stable.size);
		bytes_copy(&i->now, &i->stable);
	}
	for (size_t i = 0; i < count; i++)
		cut_directory(dirs[i]);
	for (size_t i = 0; i < count; i++)
		inode_unref(dirs[i]);
	free(dirs);
}

/* --- life ------------------------------------------------------------------------------------- */

struct sim_volume *sim_disk_add_volume(struct sim_disk *d, struct sim_inode *dir, uint64_t capacity)
{
	struct sim_volume *v = mem_calloc(1, sizeof(*v));

	v->device = list_empty(&d->volumes) ? 1 : LIST_ENTRY(d->volumes.prev, struct sim_volume, link)->device + 1;
	v->capacity = capacity;
	list_push_back(&d->volumes, &v->link);
	if (dir != NULL)
		dir->volume = v;
	return v;
}

void sim_disk_init(struct sim_disk *d, uint64_t seed)
{
	list_init(&d->inodes);
	list_init(&d->volumes);
	list_init(&d->name_ops);
	d->next_number = 2;
	d->rng.state = seed;
	d->root = sim_inode_create(d, true, sim_disk_add_volume(d, NULL, (uint64_t)1 << 40), 0);
	sim_inode_use(d->root);
}

void sim_disk_fini(struct sim_disk *d)
{
	while (!list_empty(&d->name_ops))
		op_free(LIST_ENTRY(d->name_ops.next, struct sim_name_op, link));
	sim_inode_unuse(d->root);
	ASSERT(list_empty(&d->inodes));
	while (!list_empty(&d->volumes))
		free(LIST_ENTRY(list_pop_front(&d->volumes), struct sim_volume, link));
}
