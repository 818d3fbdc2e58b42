/*
 * Kafka's snapshot, big endian:
 *
 *	int16 version 1, uint32 CRC-32C of all from byte 6, int32 entries, entries of 46 bytes:
 *	int64 producer id, int16 epoch, int32 last sequence, int64 last offset, int32 offset delta,
 *	int64 timestamp, int32 coordinator epoch, int64 first offset of the open transaction
 *
 * with -1 for none. The older batches, beside it:
 *
 *	int16 version 1, uint32 CRC-32C of all from byte 6, uint32 CRC of the snapshot,
 *	int32 producers, for each: int64 producer id, int16 epoch, int8 batches (1..4),
 *	batches of 24 bytes, newest first:
 *	int32 last sequence, int32 offset delta, int64 last offset, int64 timestamp
 *
 * The entries of Kafka's file stand in the order of a Java hash table (java_order), so that the
 * same history gives the same bytes.
 */
#include "storage/producer_snapshot.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "storage/checkpoint.h"
#include "storage/producer_state_priv.h"

#define VERSION          1
#define CRC_POS          2
#define CHECKED_POS      6
#define SNAPSHOT_HEADER  10
#define ENTRY_SIZE       46
#define BATCHES_HEADER   14
#define BATCH_SIZE       24
#define OLDER_HEADER     11
#define OLDER_MAX        (PRODUCER_BATCHES - 1)
#define FILE_BYTES_MAX   (256 << 20)
#define SCRATCH_KEPT_BYTES (64u << 10)
#define PATH_SIZE        1024

#define SNAPSHOT_SUFFIX ".snapshot"
#define BATCHES_SUFFIX  ".skein-batches"

/* --- names ------------------------------------------------------------------------------------ */

static bool parse_name(const char *name, const char *suffix, int64_t *offset)
{
	size_t digits = strspn(name, "0123456789");

	return digits == 20 && strcmp(name + digits, suffix) == 0 &&
		checkpoint_number(slice_of(name, digits), offset);
}

void producer_snapshot_name(int64_t offset, char out[PRODUCER_SNAPSHOT_NAME_MAX])
{
	snprintf(out, PRODUCER_SNAPSHOT_NAME_MAX, "%020lld" SNAPSHOT_SUFFIX, (long long)offset);
}

bool producer_snapshot_parse_name(const char *name, int64_t *offset)
{
	return parse_name(name, SNAPSHOT_SUFFIX, offset);
}

static enum err path_of(char out[PATH_SIZE], const char *dir, int64_t offset, const char *suffix)
{
	int n = snprintf(out, PATH_SIZE, "%s/%020lld%s", dir, (long long)offset, suffix);

	return n > 0 && n < PATH_SIZE ? OK : ERR_TOO_LARGE;
}

/* --- encoding --------------------------------------------------------------------------------- */

struct ordered {
	uint32_t bucket, place;		/* place: of insertion, within the bucket */
	const struct producer *producer;
};

static int java_order(const void *a, const void *b)
{
	const struct ordered *x = a, *y = b;

	if (x->bucket != y->bucket)
		return x->bucket < y->bucket ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

/* How java.util.HashMap spreads the hash of a Long over its buckets. */
static uint32_t java_bucket(int64_t id, uint32_t buckets)
{
	uint32_t hash = (uint32_t)((uint64_t)id ^ ((uint64_t)id >> 32));

	return (hash ^ (hash >> 16)) & (buckets - 1);
}

/* Lies in s->order. */
static const struct ordered *in_java_order(struct producer_state *s)
{
	uint32_t n = 0;

	strbuf_reset(&s->order);
	strbuf_reserve(&s->order, map_count(&s->producers) * sizeof(struct ordered));
	struct ordered *all = (void *)s->order.ptr;

	MAP_FOREACH(e, &s->producers) {
		const struct producer *p = e->value;

		all[n] = (struct ordered){ java_bucket(p->id, s->java_buckets), n, p };
		n++;
	}
	qsort(all, n, sizeof(*all), java_order);
	return all;
}

static void put_entry(uint8_t *p, const struct producer *producer)
{
	const struct producer_facts *f = &producer->facts;
	const struct producer_batch *b = f->batch_count > 0 ? &f->batches[0] : NULL;

	store_be64(p, (uint64_t)producer->id);
	store_be16(p + 8, (uint16_t)f->epoch);
	store_be32(p + 10, (uint32_t)(b != NULL ? b->last_sequence : -1));
	store_be64(p + 14, (uint64_t)(b != NULL ? b->last_offset : -1));
	store_be32(p + 22, (uint32_t)(b != NULL ? b->offset_delta : 0));
	store_be64(p + 26, (uint64_t)f->last_timestamp);
	store_be32(p + 34, (uint32_t)f->coordinator_epoch);
	store_be64(p + 38, (uint64_t)f->txn_first_offset);
}

static void seal(struct strbuf *out, size_t start)
{
	uint8_t *p = (uint8_t *)out->ptr + start;

	store_be16(p, VERSION);
	store_be32(p + CRC_POS, crc32c(0, p + CHECKED_POS, out->len - start - CHECKED_POS));
}

int64_t producer_snapshot_bytes(const struct producer_state *s)
{
	const int64_t each = ENTRY_SIZE + OLDER_HEADER + OLDER_MAX * BATCH_SIZE;

	return SNAPSHOT_HEADER + (int64_t)map_count(&s->producers) * each;
}

void producer_snapshot_encode(struct producer_state *s, struct strbuf *out)
{
	uint32_t count = map_count(&s->producers);
	const struct ordered *all = in_java_order(s);
	uint8_t entry[ENTRY_SIZE], header[SNAPSHOT_HEADER] = { 0 };
	size_t start = out->len;

	strbuf_reserve(out, SNAPSHOT_HEADER + (size_t)count * ENTRY_SIZE);
	store_be32(header + CHECKED_POS, count);
	strbuf_add(out, header, sizeof(header));
	for (uint32_t i = 0; i < count; i++) {
		put_entry(entry, all[i].producer);
		strbuf_add(out, entry, sizeof(entry));
	}
	seal(out, start);
}

static void put_older(struct strbuf *out, const struct producer *p)
{
	uint8_t b[BATCH_SIZE];
	int older = p->facts.batch_count - 1;

	store_be64(b, (uint64_t)p->id);
	store_be16(b + 8, (uint16_t)p->facts.epoch);
	b[10] = (uint8_t)older;
	strbuf_add(out, b, OLDER_HEADER);
	for (int i = 1; i <= older; i++) {
		const struct producer_batch *batch = &p->facts.batches[i];

		store_be32(b, (uint32_t)batch->last_sequence);
		store_be32(b + 4, (uint32_t)batch->offset_delta);
		store_be64(b + 8, (uint64_t)batch->last_offset);
		store_be64(b + 16, (uint64_t)batch->timestamp);
		strbuf_add(out, b, BATCH_SIZE);
	}
}

void producer_snapshot_encode_batches(const struct producer_state *s, uint32_t snapshot_crc,
	struct strbuf *out)
{
	uint8_t header[BATCHES_HEADER] = { 0 };
	size_t start = out->len;
	uint32_t count = 0;

	strbuf_add(out, header, sizeof(header));
	MAP_FOREACH(e, &s->producers) {
		const struct producer *p = e->value;

		if (p->facts.batch_count < 2)
			continue;
		put_older(out, p);
		count++;
	}
	if (count == 0) {
		strbuf_truncate(out, start);
		return;
	}
	store_be32(out->ptr + start + CHECKED_POS, snapshot_crc);
	store_be32(out->ptr + start + CHECKED_POS + 4, count);
	seal(out, start);
}

/* --- decoding --------------------------------------------------------------------------------- */

static bool is_sealed(struct slice bytes, size_t header)
{
	if (bytes.len < header || load_be16(bytes.ptr) != VERSION)
		return false;
	return load_be32(bytes.ptr + CRC_POS) ==
		crc32c(0, bytes.ptr + CHECKED_POS, bytes.len - CHECKED_POS);
}

static bool get_batch(struct producer_batch *b, int32_t last_sequence, int32_t offset_delta,
	int64_t last_offset, time_ms timestamp)
{
	*b = (struct producer_batch){ last_sequence, offset_delta, last_offset, timestamp };
	return offset_delta >= 0 && last_offset >= offset_delta;
}

static void get_raw(const uint8_t *p, struct producer_snapshot_entry *e)
{
	*e = (struct producer_snapshot_entry){
		.producer_id = (int64_t)load_be64(p), .epoch = (int16_t)load_be16(p + 8),
		.last_sequence = (int32_t)load_be32(p + 10), .last_offset = (int64_t)load_be64(p + 14),
		.offset_delta = (int32_t)load_be32(p + 22), .timestamp = (time_ms)load_be64(p + 26),
		.coordinator_epoch = (int32_t)load_be32(p + 34),
		.txn_first_offset = (int64_t)load_be64(p + 38),
	};
}

static bool get_entry(const uint8_t *p, int64_t end_offset, int64_t *id, struct producer_facts *f)
{
	struct producer_snapshot_entry e;

	get_raw(p, &e);
	*id = e.producer_id;
	*f = (struct producer_facts){
		.epoch = e.epoch, .last_timestamp = e.timestamp,
		.coordinator_epoch = e.coordinator_epoch, .txn_first_offset = e.txn_first_offset,
	};
	if (*id < 0 || f->txn_first_offset < -1 || f->txn_first_offset >= end_offset ||
		e.last_offset >= end_offset)
		return false;
	if (e.last_offset < 0)
		return true;
	f->batch_count = 1;
	return get_batch(&f->batches[0], e.last_sequence, e.offset_delta, e.last_offset,
		f->last_timestamp);
}

enum err producer_snapshot_list(struct slice bytes, int64_t offset,
	void (*each)(void *arg, const struct producer_snapshot_entry *e), void *arg)
{
	uint32_t count, whole;
	bool is_sound = is_sealed(bytes, SNAPSHOT_HEADER);

	if (bytes.len < SNAPSHOT_HEADER || load_be16(bytes.ptr) != VERSION)
		return ERR_CORRUPT;
	count = load_be32(bytes.ptr + CHECKED_POS);
	whole = (uint32_t)MIN((bytes.len - SNAPSHOT_HEADER) / ENTRY_SIZE, UINT32_MAX);
	for (uint32_t i = 0; i < MIN(count, whole); i++) {
		const uint8_t *p = bytes.ptr + SNAPSHOT_HEADER + (size_t)i * ENTRY_SIZE;
		struct producer_snapshot_entry e;
		struct producer_facts facts;
		int64_t id;

		is_sound = get_entry(p, offset, &id, &facts) && is_sound;
		get_raw(p, &e);
		each(arg, &e);
	}
	return is_sound && count <= whole ? OK : ERR_CORRUPT;
}

enum err producer_snapshot_decode(struct producer_state *s, struct slice bytes, int64_t offset,
	time_ms now)
{
	const uint8_t *entries;
	struct producer_facts facts;
	uint32_t count;
	int64_t id;
	bool is_new;

	if (!is_sealed(bytes, SNAPSHOT_HEADER))
		return ERR_CORRUPT;
	entries = bytes.ptr + SNAPSHOT_HEADER;
	count = load_be32(bytes.ptr + CHECKED_POS);
	if (count > (bytes.len - SNAPSHOT_HEADER) / ENTRY_SIZE)
		return ERR_CORRUPT;
	for (uint32_t i = 0; i < count; i++)
		if (!get_entry(entries + (size_t)i * ENTRY_SIZE, offset, &id, &facts))
			return ERR_CORRUPT;

	producer_state_reset(s, offset, offset);
	for (uint32_t i = 0; i < count; i++) {
		bool ok = get_entry(entries + (size_t)i * ENTRY_SIZE, offset, &id, &facts);

		ASSERT(ok);
		if (!producer_is_expired(s, &facts, now))
			producer_state_put(s, id, &is_new)->facts = facts;
	}
	producer_state_settle(s);
	return OK;
}

struct older {
	int64_t id;
	int16_t epoch;
	int     count;
	struct producer_batch batches[OLDER_MAX];
};

static bool get_older(struct slice *rest, struct older *o)
{
	if (rest->len < OLDER_HEADER)
		return false;
	*o = (struct older){ .id = (int64_t)load_be64(rest->ptr),
		.epoch = (int16_t)load_be16(rest->ptr + 8), .count = rest->ptr[10] };
	*rest = slice_of(rest->ptr + OLDER_HEADER, rest->len - OLDER_HEADER);
	if (o->count < 1 || o->count > OLDER_MAX || rest->len < (size_t)o->count * BATCH_SIZE)
		return false;
	for (int i = 0; i < o->count; i++) {
		const uint8_t *p = rest->ptr + (size_t)i * BATCH_SIZE;

		if (!get_batch(&o->batches[i], (int32_t)load_be32(p), (int32_t)load_be32(p + 4),
			       (int64_t)load_be64(p + 8), (time_ms)load_be64(p + 16)))
			return false;
	}
	*rest = slice_of(rest->ptr + (size_t)o->count * BATCH_SIZE,
		rest->len - (size_t)o->count * BATCH_SIZE);
	return true;
}

enum err producer_snapshot_decode_batches(struct producer_state *s, struct slice bytes,
	uint32_t snapshot_crc)
{
	struct slice rest;
	struct older o;
	uint32_t count;

	if (!is_sealed(bytes, BATCHES_HEADER) || load_be32(bytes.ptr + CHECKED_POS) != snapshot_crc)
		return ERR_CORRUPT;
	count = load_be32(bytes.ptr + CHECKED_POS + 4);
	rest = slice_of(bytes.ptr + BATCHES_HEADER, bytes.len - BATCHES_HEADER);
	for (uint32_t i = 0; i < count; i++)
		if (!get_older(&rest, &o))
			return ERR_CORRUPT;
	if (rest.len != 0)
		return ERR_CORRUPT;

	rest = slice_of(bytes.ptr + BATCHES_HEADER, bytes.len - BATCHES_HEADER);
	while (rest.len > 0 && get_older(&rest, &o)) {
		struct producer *p = producer_state_find(s, o.id);

		/* Gone: expired while loading. */
		if (p == NULL || p->facts.epoch != o.epoch || p->facts.batch_count != 1)
			continue;
		memcpy(p->facts.batches + 1, o.batches, (size_t)o.count * sizeof(o.batches[0]));
		p->facts.batch_count = (uint8_t)(1 + o.count);
	}
	return OK;
}

/* --- files ------------------------------------------------------------------------------------ */

static enum err write_file(struct os *os, const char *path, const struct strbuf *b)
{
	os_fd fd;
	enum err err = os_open(os, path, OS_RDWR | OS_CREATE | OS_TRUNC, &fd), ignored;

	if (err != OK)
		return err;
	err = os_pwrite(os, fd, b->ptr, b->len, 0);
	os_close(os, &fd);
	if (err != OK) {
		ignored = os_unlink(os, path);
		(void)ignored;
	}
	return err;
}

void producer_snapshot_make_room(struct producer_state *s)
{
	strbuf_reserve(&s->order, sizeof(struct ordered));
	strbuf_reserve(&s->snapshot, SNAPSHOT_HEADER + ENTRY_SIZE);
	strbuf_reserve(&s->batches, BATCHES_HEADER + OLDER_HEADER + OLDER_MAX * BATCH_SIZE);
}

/* So much stays; what many producers took is given back, and only a rare snapshot allocates. */
static void trim(struct strbuf *b)
{
	if (b->cap > SCRATCH_KEPT_BYTES)
		strbuf_fini(b);
}

enum err producer_snapshot_write(struct os *os, const char *dir, struct producer_state *s,
	int64_t *offset)
{
	char snapshot_path[PATH_SIZE], batches_path[PATH_SIZE];
	enum err err;

	if (offset != NULL)
		*offset = -1;
	if (s->snapshot_offset == s->end_offset)
		return OK;
	err = path_of(snapshot_path, dir, s->end_offset, SNAPSHOT_SUFFIX);
	if (err == OK)
		err = path_of(batches_path, dir, s->end_offset, BATCHES_SUFFIX);
	if (err != OK)
		return err;
	strbuf_reset(&s->snapshot);
	strbuf_reset(&s->batches);
	producer_snapshot_encode(s, &s->snapshot);
	producer_snapshot_encode_batches(s, load_be32(s->snapshot.ptr + CRC_POS), &s->batches);
	/* Ours first: a killed process may leave it alone, never a snapshot without it. */
	if (s->batches.len > 0)
		err = write_file(os, batches_path, &s->batches);
	if (err == OK)
		err = write_file(os, snapshot_path, &s->snapshot);
	if (err == OK) {
		s->snapshot_offset = s->end_offset;
		if (offset != NULL)
			*offset = s->end_offset;
	}
	trim(&s->order);
	trim(&s->snapshot);
	trim(&s->batches);
	return err;
}

static enum err sync_file(struct os *os, const char *dir, int64_t offset, const char *suffix)
{
	char path[PATH_SIZE];
	os_fd fd;
	enum err err = path_of(path, dir, offset, suffix);

	if (err == OK)
		err = os_open(os, path, OS_RDWR, &fd);
	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	err = os_fsync(os, fd);
	os_close(os, &fd);
	return err_is_passing(err) ? ERR_IO : err;	/* what a failed sync has dropped is not known */
}

bool producer_snapshot_is_there(struct os *os, const char *dir, int64_t offset)
{
	char path[PATH_SIZE];
	struct os_stat st;

	return path_of(path, dir, offset, SNAPSHOT_SUFFIX) == OK && os_stat(os, path, &st) == OK;
}

enum err producer_snapshot_sync(struct os *os, const char *dir, int64_t offset)
{
	enum err err = sync_file(os, dir, offset, BATCHES_SUFFIX);

	return err == OK ? sync_file(os, dir, offset, SNAPSHOT_SUFFIX) : err;
}

static enum err remove_file(struct os *os, const char *dir, int64_t offset, const char *suffix)
{
	char path[PATH_SIZE];
	enum err err = path_of(path, dir, offset, suffix);

	if (err == OK)
		err = os_unlink(os, path);
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err producer_snapshot_remove(struct os *os, const char *dir, int64_t offset)
{
	enum err err = remove_file(os, dir, offset, SNAPSHOT_SUFFIX);

	return err == OK ? remove_file(os, dir, offset, BATCHES_SUFFIX) : err;
}

enum err producer_snapshot_retire(struct os *os, const char *dir, int64_t offset)
{
	char from[PATH_SIZE], to[PATH_SIZE];
	enum err err = path_of(from, dir, offset, SNAPSHOT_SUFFIX);

	if (err == OK)
		err = path_of(to, dir, offset, SNAPSHOT_SUFFIX ".deleted");
	if (err == OK)
		err = os_rename(os, from, to);
	if (err_is_passing(err))
		err = remove_file(os, dir, offset, SNAPSHOT_SUFFIX);
	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	return remove_file(os, dir, offset, BATCHES_SUFFIX);
}

/* --- many of them ----------------------------------------------------------------------------- */

struct newest {
	int64_t above, up_to, found;		/* above < found <= up_to, -1: none */
};

static void see_newest(void *arg, const char *name, bool is_dir)
{
	struct newest *n = arg;
	int64_t offset;

	if (!is_dir && producer_snapshot_parse_name(name, &offset) && offset > n->above &&
		offset <= n->up_to)
		n->found = MAX(n->found, offset);
}

/* A directory that is not made yet has none. */
static enum err list(struct os *os, const char *dir, void (*each)(void *arg, const char *name, bool is_dir), void *arg)
{
	enum err err = os_list_dir(os, dir, each, arg);

	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err load_one(struct os *os, const char *dir, struct producer_state *s, int64_t offset,
	time_ms now)
{
	char path[PATH_SIZE], *bytes;
	size_t len;
	uint32_t crc;
	enum err err = path_of(path, dir, offset, SNAPSHOT_SUFFIX);

	if (err == OK)
		err = os_read_file(os, path, FILE_BYTES_MAX, &bytes, &len);
	if (err != OK)
		return err;
	err = producer_snapshot_decode(s, slice_of(bytes, len), offset, now);
	crc = len >= SNAPSHOT_HEADER ? load_be32(bytes + CRC_POS) : 0;
	free(bytes);
	if (err != OK)
		return err;

	err = path_of(path, dir, offset, BATCHES_SUFFIX);
	if (err == OK)
		err = os_read_file(os, path, FILE_BYTES_MAX, &bytes, &len);
	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	/* A damaged one, or one of another snapshot: as if it were not there. */
	err = producer_snapshot_decode_batches(s, slice_of(bytes, len), crc);
	free(bytes);
	return OK;
}

enum err producer_snapshot_load_newest(struct os *os, const char *dir, struct producer_state *s,
	int64_t min_offset, int64_t max_offset, time_ms now)
{
	struct newest n = { min_offset, max_offset, -1 };
	enum err err;

	for (;;) {
		n.found = -1;
		err = list(os, dir, see_newest, &n);
		if (err != OK)
			return err;
		if (n.found < 0)
			break;
		err = load_one(os, dir, s, n.found, now);
		if (err != ERR_CORRUPT && err != ERR_TOO_LARGE)
			return err;
		err = producer_snapshot_remove(os, dir, n.found);
		if (err != OK)
			return err;
		n.up_to = n.found - 1;
	}
	producer_state_clear(s, min_offset);
	return OK;
}

struct sweep {
	struct os     *os;
	const char    *dir;
	const int64_t *bases;		/* NULL: all above keep_up_to go */
	int            base_count;
	int64_t        keep_up_to;	/* with bases: the one to keep above the last base */
	const char    *suffix;		/* of what goes in this round */
	enum err       err;
};

static bool has_base(const struct sweep *w, int64_t offset)
{
	int lo = 0, hi = w->base_count;

	while (lo < hi) {
		int mid = lo + (hi - lo) / 2;

		if (w->bases[mid] < offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < w->base_count && w->bases[lo] == offset;
}

static bool is_kept(const struct sweep *w, int64_t offset)
{
	if (w->bases == NULL)
		return offset <= w->keep_up_to;
	return offset == w->keep_up_to || has_base(w, offset);
}

static void sweep_one(void *arg, const char *name, bool is_dir)
{
	struct sweep *w = arg;
	int64_t offset;

	if (is_dir || w->err != OK || !parse_name(name, w->suffix, &offset) || is_kept(w, offset))
		return;
	w->err = remove_file(w->os, w->dir, offset, w->suffix);
}

/* All snapshots before any batches: a power cut may undo the later removals, and must not leave a snapshot without its batches. */
static enum err sweep(struct sweep *w)
{
	static const char *const suffixes[] = { SNAPSHOT_SUFFIX, BATCHES_SUFFIX };
	enum err err = OK;

	for (size_t i = 0; err == OK && w->err == OK && i < ARRAY_LEN(suffixes); i++) {
		w->suffix = suffixes[i];
		err = list(w->os, w->dir, sweep_one, w);
	}
	return err == OK ? w->err : err;
}

enum err producer_snapshot_remove_above(struct os *os, const char *dir, int64_t offset)
{
	struct sweep w = { .os = os, .dir = dir, .keep_up_to = offset };

	return sweep(&w);
}

enum err producer_snapshot_remove_strays(struct os *os, const char *dir, const int64_t *bases,
	int n)
{
	struct newest newest = { n > 0 ? bases[n - 1] : -1, INT64_MAX, -1 };
	struct sweep w = { .os = os, .dir = dir, .bases = bases, .base_count = n };
	enum err err;

	ASSERT(bases != NULL);
	err = list(os, dir, see_newest, &newest);
	if (err != OK)
		return err;
	w.keep_up_to = newest.found;
	return sweep(&w);
}
