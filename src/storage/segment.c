/*
 * The files of a segment and looking things up in them; segment_append.c writes them.
 *
 * An index is a hint and the log is the truth: a look-up goes to the place the offset index names,
 * makes sure that a batch which fits begins there, and walks headers from there on. If the place
 * does not fit it walks from the start of the file. So a wrong or missing index makes a look-up
 * slow, never wrong.
 */
#include "storage/segment.h"

#include <stdio.h>
#include <stdlib.h>

#include "storage/batch_scan.h"

#define REMADE_EXTRA  ".cleaned"	/* what a sweep removes */
#define REMADE_SUFFIX ".index" REMADE_EXTRA

const char *const segment_suffix[SEGMENT_PARTS] = { ".log", ".index", ".timeindex" };

void segment_path(const struct segment_store *store, int64_t base_offset, const char *suffix,
	char out[LOG_PATH_MAX])
{
	int n = snprintf(out, LOG_PATH_MAX, "%s/%020lld%s", store->dir, (long long)base_offset,
		suffix);

	ASSERT(n > 0 && n < LOG_PATH_MAX);	/* log_open refuses longer directories */
}

void segment_own_path(const struct segment *s, const char *suffix, char out[LOG_PATH_MAX])
{
	char with[SEGMENT_NAME_MAX];

	snprintf(with, sizeof(with), "%s%s", suffix, s->extra);
	segment_path(s->store, s->base_offset, with, out);
}

bool segment_parse_name(const char *name, int64_t *base_offset, const char **suffix)
{
	uint64_t number = 0;

	for (int i = 0; i < 20; i++) {
		if (name[i] < '0' || name[i] > '9' || number > (uint64_t)INT64_MAX / 10)
			return false;
		number = number * 10 + (uint64_t)(name[i] - '0');
	}
	if (number >= (uint64_t)INT64_MAX || name[20] != '.')
		return false;
	*base_offset = (int64_t)number;
	*suffix = name + 20;
	return true;
}

struct segment *segment_new(struct segment_store *store, int64_t base_offset, time_ms now)
{
	struct segment *s = mem_calloc(1, sizeof(*s));
	int64_t jitter = store->config->segment_jitter_ms;

	s->store = store;
	s->base_offset = base_offset;
	s->extra = "";
	s->created = now;
	s->roll_jitter_ms = jitter > 0 ? (int64_t)(os_random_u64(store->os) % (uint64_t)jitter) : 0;
	s->tail.largest = s->tail.last_time = (struct time_entry){ -1, base_offset };
	s->tail.last_entry_offset = base_offset - 1;
	s->txns = (struct txn_index){ .base_offset = base_offset, .newest_last_offset = -1 };
	index_file_init(&s->offsets, OFFSET_ENTRY_BYTES, 0, store->config->segment_index_bytes);
	index_file_init(&s->times, TIME_ENTRY_BYTES, 0, store->config->segment_index_bytes);
	return s;
}

enum err segment_file(struct segment *s, enum segment_part part, struct log_file **out)
{
	char path[LOG_PATH_MAX];
	int flags = OS_RDWR | (part == SEGMENT_LOG ? 0 : OS_CREATE);
	enum err e = OK;

	if (UNLIKELY(s->files[part] == NULL))
		segment_own_path(s, part == SEGMENT_OFFSETS && s->is_remade ? REMADE_SUFFIX : segment_suffix[part], path);
	e = file_cache_get(&s->store->cache, &s->files[part], path,
		s->store->is_borrowed ? OS_RDONLY : flags, part == SEGMENT_LOG ? LOG_FDS_PERCENT : INDEX_FDS_PERCENT);
	*out = s->files[part];
	return e;
}

static void close_files(struct segment *s)
{
	for (int part = 0; part < SEGMENT_PARTS; part++)
		file_cache_drop(&s->store->cache, &s->files[part]);
}

void segment_detach(struct segment **s)
{
	if (*s == NULL)
		return;
	close_files(*s);
	free(*s);
	*s = NULL;
}

static enum err unlink_if_there(struct segment_store *store, int64_t base_offset,
	const char *suffix)
{
	char path[LOG_PATH_MAX];

	segment_path(store, base_offset, suffix, path);
	enum err e = os_unlink(store->os, path);
	return e == ERR_NOT_FOUND ? OK : e;
}

static enum err unlink_own(struct segment *s, const char *suffix)
{
	char path[LOG_PATH_MAX];

	segment_own_path(s, suffix, path);
	enum err e = os_unlink(s->store->os, path);
	return e == ERR_NOT_FOUND ? OK : e;
}

enum err segment_make(struct segment *s)
{
	struct segment_store *store = s->store;
	char path[LOG_PATH_MAX];
	struct log_file *f;
	struct os_stat st = { 0 };
	enum err e;

	ASSERT(s->tail.size == 0);
	segment_own_path(s, segment_suffix[SEGMENT_LOG], path);
	e = file_cache_get(&store->cache, &s->files[SEGMENT_LOG], path,
		OS_RDWR | OS_CREATE | OS_TRUNC, LOG_FDS_PERCENT);
	if (e == OK)
		e = os_fstat(store->os, s->files[SEGMENT_LOG]->fd, &st);
	if (e == OK)
		e = segment_file(s, SEGMENT_TIMES, &f);
	if (e == OK)
		e = os_ftruncate(store->os, f->fd, 0);	/* the remains of a deleted one */
	if (e == OK)
		e = index_file_reserve(&s->times, store->os, f->fd);
	if (e == OK)
		e = unlink_own(s, segment_suffix[SEGMENT_OFFSETS]);
	if (e == OK)
		e = unlink_own(s, ".txnindex");
	if (e != OK) {
		close_files(s);
		s->times.is_reserved = false;
		/* the first error is told */
		(void)!unlink_own(s, segment_suffix[SEGMENT_LOG]);
		(void)!unlink_own(s, segment_suffix[SEGMENT_TIMES]);
		return e;
	}
	s->inode = st.inode;
	s->is_loaded = true;
	return OK;
}

enum err segment_create(struct segment **out, struct segment_store *store, int64_t base_offset,
	time_ms now)
{
	struct segment *s = segment_new(store, base_offset, now);
	enum err e = segment_make(s);

	if (e != OK)
		segment_detach(&s);
	*out = s;
	return e;
}

enum err segment_disown_indexes(struct segment *s)
{
	struct log_file *f;
	enum err e = segment_file(s, SEGMENT_TIMES, &f);

	if (e == OK)
		e = index_file_trim(&s->times, s->store->os, f->fd);
	file_cache_drop(&s->store->cache, &s->files[SEGMENT_OFFSETS]);
	s->offsets.count = 0;
	s->offsets.is_reserved = s->times.is_reserved = s->is_remade = false;
	s->is_sparse = true;
	s->tail.last_entry_offset = s->base_offset - 1;
	s->tail.last_entry_pos = 0;
	if (e == OK || e == ERR_NO_SPACE)
		e = unlink_if_there(s->store, s->base_offset, segment_suffix[SEGMENT_OFFSETS]);
	if (e == OK)
		e = unlink_if_there(s->store, s->base_offset, REMADE_SUFFIX);
	/* Were it to come back after a power cut, it would vouch for indexes that are not whole. */
	return e == OK ? os_fsync_dir(s->store->os, s->store->dir) : e;
}

enum err segment_attach(struct segment **out, struct segment_store *store, int64_t base_offset,
	time_ms now)
{
	struct segment *s;
	struct os_stat st;
	char path[LOG_PATH_MAX];
	enum err e;

	*out = NULL;
	segment_path(store, base_offset, segment_suffix[SEGMENT_LOG], path);
	if ((e = os_stat(store->os, path, &st)) != OK)
		return e;
	if (st.size > SEGMENT_BYTES_MAX)
		return ERR_CORRUPT;
	s = segment_new(store, base_offset, now);
	s->tail.size = (uint32_t)st.size;
	s->inode = st.inode;
	*out = s;
	return OK;
}

static enum err rename_own(struct segment *s, const char *suffix, const char *extra)
{
	char from[LOG_PATH_MAX], to[LOG_PATH_MAX], with[SEGMENT_NAME_MAX];

	snprintf(with, sizeof(with), "%s%s", suffix, extra);
	segment_own_path(s, suffix, from);
	segment_path(s->store, s->base_offset, with, to);
	return os_rename(s->store->os, from, to);
}

/* One that is not there has no name to change. */
static enum err rename_if_there(struct segment *s, const char *suffix, const char *extra)
{
	enum err e = rename_own(s, suffix, extra);

	return e == ERR_NOT_FOUND ? OK : e;
}

enum err segment_remake_begin(struct segment *s)
{
	if (s->is_remade)
		return OK;
	file_cache_drop(&s->store->cache, &s->files[SEGMENT_OFFSETS]);
	s->is_remade = true;
	/* Not unlinked: where a file system does not give an inode again for a while (ext4), thousands of files made beside as many that have just gone are slow to make. */
	enum err e = rename_if_there(s, segment_suffix[SEGMENT_OFFSETS], REMADE_EXTRA);
	return e == ERR_NO_SPACE ? unlink_if_there(s->store, s->base_offset, segment_suffix[SEGMENT_OFFSETS]) : e;
}

enum err segment_remake_end(struct segment *s)
{
	char from[LOG_PATH_MAX], to[LOG_PATH_MAX];

	if (!s->is_remade)
		return OK;
	s->is_remade = false;
	segment_path(s->store, s->base_offset, REMADE_SUFFIX, from);
	segment_path(s->store, s->base_offset, segment_suffix[SEGMENT_OFFSETS], to);
	enum err e = os_rename(s->store->os, from, to);
	return e == ERR_NOT_FOUND ? OK : e;	/* there was no room for it */
}

static const char *const all_suffixes[] = { ".log", ".index", ".timeindex", ".txnindex" };

/* All are tried, the first error is told. Whichever half a crash leaves must not look like a segment with the wrong indexes: the .log is the first to go, and the
 * last to come. */
static enum err rename_all(struct segment *s, const char *extra, bool is_log_first)
{
	enum err first = is_log_first ? rename_if_there(s, ".log", extra) : OK;

	for (size_t i = 1; i < ARRAY_LEN(all_suffixes); i++) {
		enum err e = rename_if_there(s, all_suffixes[i], extra);
		if (first == OK)
			first = e;
	}
	return first == OK && !is_log_first ? rename_own(s, ".log", extra) : first;
}

static enum err unlink_all(struct segment *s)
{
	enum err first = OK;

	for (size_t i = 0; i < ARRAY_LEN(all_suffixes); i++) {
		enum err e = unlink_own(s, all_suffixes[i]);
		if (first == OK)
			first = e;
	}
	return first;
}

enum err segment_retire(struct segment **segment)
{
	char with[SEGMENT_NAME_MAX];

	snprintf(with, sizeof(with), "%s.deleted", (*segment)->extra);
	enum err e = rename_all(*segment, with, true);
	if (err_is_passing(e))
		e = unlink_all(*segment);
	segment_detach(segment);
	return e;
}

enum err segment_set_extra(struct segment *s, const char *extra)
{
	enum err e = rename_all(s, extra, false);

	if (e == OK)
		s->extra = s->txns.extra = extra;
	return e;
}

/* Entries that the file holds; 0 when it is absent or its size is no multiple. */
static enum err index_entries(struct segment *s, enum segment_part part, uint32_t entry_bytes,
	uint32_t *count)
{
	char path[LOG_PATH_MAX];
	struct os_stat st;

	segment_own_path(s, segment_suffix[part], path);
	enum err e = os_stat(s->store->os, path, &st);
	*count = e == OK && st.size % entry_bytes == 0 && st.size / entry_bytes <= UINT32_MAX
		? (uint32_t)(st.size / entry_bytes) : 0;
	return e == ERR_NOT_FOUND ? OK : e;
}

/* Last entries from the counts, and from them the tail. An entry that cannot be true voids its
 * index. */
static enum err load_last_entries(struct segment *s)
{
	uint8_t entry[INDEX_ENTRY_MAX];
	struct log_file *f;
	enum err e;

	if (s->offsets.count > 0) {
		if ((e = segment_file(s, SEGMENT_OFFSETS, &f)) != OK ||
		    (e = index_file_read(&s->offsets, s->store->os, f->fd, s->offsets.count - 1,
		    	entry)) != OK)
			return e;
		struct offset_entry last = offset_entry_decode(entry, s->base_offset);
		s->tail.last_entry_offset = last.offset;
		s->tail.last_entry_pos = last.file_pos;
		if (last.offset <= s->base_offset || last.file_pos >= s->tail.size)
			return ERR_CORRUPT;
	}
	if (s->times.count > 0) {
		if ((e = segment_file(s, SEGMENT_TIMES, &f)) != OK ||
		    (e = index_file_read(&s->times, s->store->os, f->fd, s->times.count - 1,
		    	entry)) != OK)
			return e;
		s->tail.last_time = s->tail.largest = time_entry_decode(entry, s->base_offset);
		if (s->tail.last_time.offset < s->base_offset || s->tail.last_time.timestamp < 0)
			return ERR_CORRUPT;
	}
	return OK;
}

static void forget_entries(struct segment *s)
{
	s->offsets.count = s->times.count = 0;
	s->tail.largest = s->tail.last_time = (struct time_entry){ -1, s->base_offset };
	s->tail.last_entry_offset = s->base_offset - 1;
	s->tail.last_entry_pos = 0;
}

enum err segment_load(struct segment *s)
{
	enum err e;

	if (s->is_loaded)
		return OK;
	if ((e = index_entries(s, SEGMENT_OFFSETS, OFFSET_ENTRY_BYTES, &s->offsets.count)) != OK ||
	    (e = index_entries(s, SEGMENT_TIMES, TIME_ENTRY_BYTES, &s->times.count)) != OK)
		return e;
	e = load_last_entries(s);
	if (e == ERR_CORRUPT) {
		forget_entries(s);
		e = OK;
	}
	s->is_loaded = e == OK;
	return e;
}

/* Does a batch begin here that an index entry for `offset` may name? (Brokers before 3.9 named the
 * first batch of a set.) */
static bool entry_fits(struct segment *s, struct log_file *f, struct offset_entry entry)
{
	uint8_t buf[SCAN_BUFFER_MIN];
	struct batch_scan scan;
	const uint8_t *header;
	int64_t at;

	batch_scan_init(&scan, s->store->os, f->fd, entry.file_pos, s->tail.size, buf, sizeof(buf));
	return batch_scan_next(&scan, &header, &at) == OK &&
		batch_base_offset(header) >= s->base_offset &&
	       batch_base_offset(header) <= entry.offset;
}

static bool last_entry_is_true(struct segment *s)
{
	uint8_t buf[SCAN_BUFFER_MIN];
	struct batch_scan scan;
	struct log_file *f;
	const uint8_t *header;
	int64_t at;

	if (s->offsets.count == 0)
		return true;
	if (s->tail.last_entry_pos >= s->tail.size || segment_file(s, SEGMENT_LOG, &f) != OK)
		return false;
	batch_scan_init(&scan, s->store->os, f->fd, s->tail.last_entry_pos, s->tail.size, buf, sizeof(buf));
	return batch_scan_next(&scan, &header, &at) == OK && batch_base_offset(header) >= s->base_offset &&
		batch_last_offset(header) == s->tail.last_entry_offset;
}

enum err segment_check_indexes(struct segment *s, bool *are_true)
{
	struct log_file *f;
	enum err e;

	*are_true = true;
	if (s->offsets.count > 0 && ((e = segment_file(s, SEGMENT_OFFSETS, &f)) != OK ||
	    (e = offset_index_check(&s->offsets, s->store->os, f->fd, are_true)) != OK))
		return e;
	if (*are_true && s->times.count > 0 && ((e = segment_file(s, SEGMENT_TIMES, &f)) != OK ||
	    (e = time_index_check(&s->times, s->store->os, f->fd, are_true)) != OK))
		return e;
	*are_true = *are_true && last_entry_is_true(s);
	return OK;
}

/* Where to begin the walk for an offset. */
static enum err walk_start(struct segment *s, struct log_file *log_file, int64_t offset,
	uint32_t *file_pos)
{
	struct offset_entry entry = { s->base_offset, 0 };
	struct log_file *f;
	enum err e;

	*file_pos = 0;
	if ((e = segment_load(s)) != OK || s->offsets.count == 0)
		return e;
	if (offset >= s->tail.last_entry_offset) {
		entry = (struct offset_entry){ s->tail.last_entry_offset, s->tail.last_entry_pos };
	} else {
		if ((e = segment_file(s, SEGMENT_OFFSETS, &f)) != OK)
			return e;
		e = offset_index_lookup(&s->offsets, s->store->os, f->fd, s->base_offset, offset,
			&entry);
		if (e == ERR_CORRUPT)
			return OK;
		if (e != OK)
			return e;
	}
	if (entry.file_pos > 0 && entry.file_pos < s->tail.size && entry_fits(s, log_file, entry))
		*file_pos = entry.file_pos;
	return OK;
}

enum err segment_find(struct segment *s, int64_t offset, struct batch_place *place, bool *is_found)
{
	uint8_t buf[4096];
	struct batch_scan scan;
	struct log_file *f, *held;
	const uint8_t *header;
	uint32_t start;
	int64_t at;
	enum err e;

	*is_found = false;
	*place = (struct batch_place){ .file_pos = s->tail.size, .base_offset = -1,
		.last_offset = -1 };
	if (s->tail.size == 0)
		return OK;
	if ((e = segment_file(s, SEGMENT_LOG, &f)) != OK)
		return e;
	held = log_file_ref(f);		/* opening the index must not close it */
	if ((e = walk_start(s, f, offset, &start)) != OK)
		goto out;
	batch_scan_init(&scan, s->store->os, f->fd, start, s->tail.size, buf, sizeof(buf));
	while ((e = batch_scan_next(&scan, &header, &at)) == OK) {
		if (batch_last_offset(header) < offset)
			continue;
		*place = (struct batch_place){ (uint32_t)at, (uint32_t)batch_size(header),
			batch_base_offset(header), batch_last_offset(header) };
		*is_found = true;
		break;
	}
	if (e == ERR_INCOMPLETE && scan.pos == scan.end)
		e = OK;
out:
	log_file_unref(&held);
	return e == ERR_INCOMPLETE || e == ERR_UNSUPPORTED ? ERR_CORRUPT : e;
}

enum err segment_read_end(struct segment *s, struct segment_end *end)
{
	uint8_t buf[4096];
	struct batch_scan scan;
	struct log_file *f, *held;
	const uint8_t *header;
	uint32_t start;
	int64_t at;
	enum err e;

	*end = (struct segment_end){ .next_offset = s->base_offset, .last_batch_pos = -1 };
	if (s->tail.size == 0)
		return OK;
	if ((e = segment_file(s, SEGMENT_LOG, &f)) != OK)
		return e;
	held = log_file_ref(f);
	if ((e = walk_start(s, f, INT64_MAX, &start)) != OK)
		goto out;
	end->sound_bytes = start;
	batch_scan_init(&scan, s->store->os, f->fd, start, s->tail.size, buf, sizeof(buf));
	while ((e = batch_scan_next(&scan, &header, &at)) == OK) {
		if (batch_base_offset(header) < end->next_offset)
			break;
		*end = (struct segment_end){ batch_last_offset(header) + 1, (uint32_t)scan.pos, at,
			batch_mark(header) };
	}
	if (e == ERR_INCOMPLETE || e == ERR_CORRUPT)
		e = OK;		/* sound_bytes tells */
out:
	log_file_unref(&held);
	return e;
}

enum err segment_largest_timestamp(struct segment *s, time_ms *out)
{
	enum err e = segment_load(s);

	*out = s->tail.largest.timestamp;
	return e;
}

enum err segment_learn_first_timestamp(struct segment *s)
{
	uint8_t buf[SCAN_BUFFER_MIN];
	struct batch_scan scan;
	struct log_file *f;
	const uint8_t *header;
	int64_t at;
	enum err e;

	if (s->tail.knows_first || s->tail.size == 0)
		return OK;
	if ((e = segment_file(s, SEGMENT_LOG, &f)) != OK)
		return e;
	batch_scan_init(&scan, s->store->os, f->fd, 0, s->tail.size, buf, sizeof(buf));
	if ((e = batch_scan_next(&scan, &header, &at)) != OK)
		return e == ERR_INCOMPLETE ? ERR_CORRUPT : e;
	s->tail.first_timestamp = batch_max_timestamp(header);
	s->tail.knows_first = true;
	return OK;
}
