/*
 * Nodes in LMDB. LMDB opens, reads and syncs the file itself, past src/os: a memory map and its own order of syncs are what it is.
 *
 * A batch is one transaction: copies of the changed pages are written and synced, then one meta page that makes them count is. A crash
 * at any moment leaves the batch before or the batch after. Because the map is read only at start, a file that was cut short is found
 * by its size before a page behind the end is touched, which would be a SIGBUS.
 */
#include "coord/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/fault.h"
#include "base/strbuf.h"

#define MAP_BYTES   ((size_t)1 << 30)	/* address space only; what is not used costs nothing */
#define FORMAT      1
#define DISK_FULL_BYTES ((uint64_t)1 << 20)
#define RESERVE_PAGES   64
#define HEAD_MAGIC  "skeincrd"
#define HEAD_BYTES  (4 + 8 + 4 + 8)
#define NODE_BYTES  (4 + 8 + 8 + 8 + 4 + 4 + 4 + 4)	/* without name and data */
#define NULL_LENGTH UINT32_MAX

struct store_file {
	MDB_env *env;
	MDB_dbi  dbi;
	MDB_txn *txn;		/* the batch at hand; NULL */
	bool     has_failed;	/* ERR_IO from now on */
	struct os *os;
	char    *path;
};

static enum err err_of(int rc)
{
	switch (rc) {
	case MDB_SUCCESS:    return OK;
	case MDB_NOTFOUND:   return ERR_NOT_FOUND;
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
	case ENOSPC:
	case EDQUOT:         return ERR_NO_SPACE;
	case MDB_INVALID:
	case MDB_CORRUPTED:
	case MDB_VERSION_MISMATCH:
	case MDB_PAGE_NOTFOUND: return ERR_CORRUPT;
	default:             return rc > 0 ? err_from_errno(rc) : ERR_IO;
	}
}

static enum err say(char *problem, size_t size, enum err e, const char *fmt, ...) PRINTF(4, 5);
static enum err say(char *problem, size_t size, enum err e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(problem, size, fmt, ap);
	va_end(ap);
	return e;
}

/* --- room set aside ----------------------------------------------------------------------------------------------------------- */

/*
 * A start changes the store (the controller's epoch, who leads), also one on a full disk; so the file has blocks for a copy of all that is in it, and a few pages more,
 * before they are needed. LMDB writes where its own count of pages ends, whatever the file's size. Without room it goes on with what there is.
 */
static void set_room_aside(struct store_file *f)
{
	struct os_stat st;
	MDB_envinfo info;
	MDB_stat stat;
	int fd;

	if (os_stat(f->os, f->path, &st) != OK || mdb_env_info(f->env, &info) != 0 || mdb_env_stat(f->env, &stat) != 0 || mdb_env_get_fd(f->env, &fd) != 0)
		return;
	uint64_t wanted = 2 * (info.me_last_pgno + 1) + RESERVE_PAGES, most = MAP_BYTES / stat.ms_psize;
	if (st.size / stat.ms_psize >= MIN(wanted, most))
		return;
	/* Twice the few pages: not with every commit. */
	(void)!fallocate(fd, 0, 0, (off_t)(MIN(wanted + RESERVE_PAGES, most) * stat.ms_psize));
}

/* --- open ------------------------------------------------------------------------------------------------------------------ */

/* Every page the file's head speaks of must lie in the file. */
static bool is_whole(struct store_file *f)
{
	struct os_stat st;
	MDB_envinfo info;
	MDB_stat stat;

	if (os_stat(f->os, f->path, &st) != OK || mdb_env_info(f->env, &info) != 0 || mdb_env_stat(f->env, &stat) != 0)
		return false;
	return st.size / stat.ms_psize > info.me_last_pgno;
}

static enum err open_env(struct store_file *f, char *problem, size_t size)
{
	/* TLS is for readers on other threads; without the lock there is no reader table at all. */
	unsigned flags = MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS | MDB_NORDAHEAD;
	int rc = mdb_env_create(&f->env);

	if (rc == 0)
		rc = mdb_env_set_mapsize(f->env, MAP_BYTES);
	if (rc == 0)
		rc = mdb_env_open(f->env, f->path, flags, 0600);
	if (rc == MDB_INVALID || rc == MDB_VERSION_MISMATCH)
		return say(problem, size, ERR_CORRUPT, "%s is not a coordination store of skein, or its head is damaged", f->path);
	if (rc != 0)
		return say(problem, size, err_of(rc), "cannot open the coordination store %s: %s", f->path, mdb_strerror(rc));
	if (!is_whole(f))
		return say(problem, size, ERR_CORRUPT, "the coordination store %s has been cut short", f->path);
	return OK;
}

static enum err open_table(struct store_file *f, char *problem, size_t size)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(f->env, NULL, MDB_RDONLY, &txn);

	if (rc == 0) {
		rc = mdb_dbi_open(txn, NULL, 0, &f->dbi);
		if (rc == 0)
			rc = mdb_txn_commit(txn);
		else
			mdb_txn_abort(txn);
	}
	if (rc != 0)
		return say(problem, size, err_of(rc), "cannot read the coordination store %s: %s", f->path, mdb_strerror(rc));
	return OK;
}

/* So that the file's name survives a power cut as its content does. Where a batch lies in it, an earlier start has seen to that. */
static enum err sync_dir(struct store_file *f)
{
	MDB_stat stat;

	if (mdb_env_stat(f->env, &stat) == 0 && stat.ms_entries > 0)
		return OK;
	const char *slash = strrchr(f->path, '/');
	char *dir = slash == NULL ? mem_strdup(".") : mem_strndup(f->path, MAX((size_t)(slash - f->path), (size_t)1));
	enum err e = os_fsync_dir(f->os, dir);

	free(dir);
	return e;
}

enum err store_file_open(struct store_file **out, struct os *os, const char *path, char *problem, size_t problem_size)
{
	struct store_file *f = mem_calloc(1, sizeof(*f));
	enum err e;

	f->os = os;
	f->path = mem_strdup(path);
	e = open_env(f, problem, problem_size);
	if (e != OK)
		goto fail;
	e = open_table(f, problem, problem_size);
	if (e != OK)
		goto fail;
	e = sync_dir(f);
	if (e != OK) {
		say(problem, problem_size, e, "cannot sync the directory of %s: %s", path, err_text(e));
		goto fail;
	}
	set_room_aside(f);
	*out = f;
	return OK;
fail:
	store_file_close(&f);
	return e;
}

void store_file_close(struct store_file **fp)
{
	struct store_file *f = *fp;

	ASSERT(f->txn == NULL);
	if (f->env != NULL)
		mdb_env_close(f->env);
	free(f->path);
	free(f);
	*fp = NULL;
}

/* --- read ------------------------------------------------------------------------------------------------------------------ */

static struct slice slice_of_val(const MDB_val *v)
{
	return slice_of(v->mv_data, v->mv_size);
}

static bool has_right_crc(struct slice v)
{
	return v.len >= 4 && load_be32(v.ptr) == crc32c(0, v.ptr + 4, v.len - 4);
}

static enum err decode_head(struct slice v, int64_t *zxid)
{
	if (v.len != HEAD_BYTES || !has_right_crc(v) || memcmp(v.ptr + 4, HEAD_MAGIC, 8) != 0)
		return ERR_CORRUPT;
	if (load_be32(v.ptr + 12) != FORMAT)
		return ERR_UNSUPPORTED;
	*zxid = (int64_t)load_be64(v.ptr + 16);
	return OK;
}

static enum err decode_node(struct slice v, struct store_record *r)
{
	if (v.len < NODE_BYTES || !has_right_crc(v))
		return ERR_CORRUPT;
	const uint8_t *p = v.ptr + 4;
	r->parent = load_be64(p);
	r->czxid = (int64_t)load_be64(p + 8);
	r->mzxid = (int64_t)load_be64(p + 16);
	r->version = (int32_t)load_be32(p + 24);
	r->creations = (int32_t)load_be32(p + 28);
	uint32_t data_len = load_be32(p + 32), name_len = load_be32(p + 36);
	bool is_null = data_len == NULL_LENGTH;
	if ((uint64_t)name_len + (is_null ? 0 : data_len) != v.len - NODE_BYTES)
		return ERR_CORRUPT;
	r->name = slice_of(v.ptr + NODE_BYTES, name_len);
	r->data = is_null ? SLICE_NULL : slice_of(v.ptr + NODE_BYTES + name_len, data_len);
	return OK;
}

static enum err load_all(MDB_cursor *cursor, int64_t *zxid, enum err (*each)(void *arg, const struct store_record *r), void *arg)
{
	MDB_val key, val;
	enum err e;
	int rc = mdb_cursor_get(cursor, &key, &val, MDB_FIRST);

	if (rc == MDB_NOTFOUND) {	/* new */
		*zxid = 0;
		return OK;
	}
	if (rc != 0)
		return err_of(rc);
	if (key.mv_size != 8 || load_be64(key.mv_data) != 0)
		return ERR_CORRUPT;
	e = decode_head(slice_of_val(&val), zxid);
	while (e == OK && (rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT)) == 0) {
		struct store_record r;

		if (key.mv_size != 8)
			return ERR_CORRUPT;
		r.id = load_be64(key.mv_data);
		e = decode_node(slice_of_val(&val), &r);
		if (e == OK)
			e = each(arg, &r);
	}
	return e != OK || rc == MDB_NOTFOUND ? e : err_of(rc);
}

enum err store_file_load(struct store_file *f, int64_t *zxid, enum err (*each)(void *arg, const struct store_record *r), void *arg,
			 char *problem, size_t problem_size)
{
	MDB_cursor *cursor;
	MDB_txn *txn;
	enum err e = err_of(mdb_txn_begin(f->env, NULL, MDB_RDONLY, &txn));

	if (e == OK) {
		e = err_of(mdb_cursor_open(txn, f->dbi, &cursor));
		if (e == OK) {
			e = load_all(cursor, zxid, each, arg);
			mdb_cursor_close(cursor);
		}
		mdb_txn_abort(txn);
	}
	if (e == ERR_UNSUPPORTED)
		return say(problem, problem_size, e, "the coordination store %s was written by a later version of skein", f->path);
	if (e == ERR_CORRUPT)
		return say(problem, problem_size, e, "the coordination store %s is damaged, or is not one of skein", f->path);
	if (e != OK)
		return say(problem, problem_size, e, "cannot read the coordination store %s: %s", f->path, err_text(e));
	return OK;
}

/* --- write ----------------------------------------------------------------------------------------------------------------- */

/* LMDB calls a short write EIO, which is how a disk usually becomes full. */
static bool is_disk_full(struct store_file *f)
{
	uint64_t total, usable;

	return os_space(f->os, f->path, &total, &usable) == OK && usable < DISK_FULL_BYTES;
}

/* What LMDB says about a failed write; an I/O error is for good. */
static enum err settle(struct store_file *f, enum err e)
{
	if (e != OK && e != ERR_NO_SPACE) {
		if (e == ERR_IO && is_disk_full(f))
			return ERR_NO_SPACE;
		f->has_failed = true;
		return ERR_IO;
	}
	return e;
}

enum err store_file_begin(struct store_file *f)
{
	ASSERT(f->txn == NULL);
	if (f->has_failed)
		return ERR_IO;
	return settle(f, err_of(mdb_txn_begin(f->env, NULL, 0, &f->txn)));
}

static enum err put(struct store_file *f, uint64_t id, size_t size, MDB_val *val)
{
	uint8_t key_bytes[8];
	MDB_val key = { sizeof(key_bytes), key_bytes };

	store_be64(key_bytes, id);
	*val = (MDB_val){ .mv_size = size };
	enum err e = FAULT_POINT(coord_file_put);
	return settle(f, e != OK ? e : err_of(mdb_put(f->txn, f->dbi, &key, val, MDB_RESERVE)));
}

static void seal(const MDB_val *val)
{
	uint8_t *p = val->mv_data;

	store_be32(p, crc32c(0, p + 4, val->mv_size - 4));
}

enum err store_file_put(struct store_file *f, const struct store_record *r)
{
	MDB_val val;
	bool is_null = slice_is_null(r->data);
	enum err e = put(f, r->id, NODE_BYTES + r->name.len + r->data.len, &val);

	if (e != OK)
		return e;
	uint8_t *p = (uint8_t *)val.mv_data + 4;
	store_be64(p, r->parent);
	store_be64(p + 8, (uint64_t)r->czxid);
	store_be64(p + 16, (uint64_t)r->mzxid);
	store_be32(p + 24, (uint32_t)r->version);
	store_be32(p + 28, (uint32_t)r->creations);
	store_be32(p + 32, is_null ? NULL_LENGTH : (uint32_t)r->data.len);
	store_be32(p + 36, (uint32_t)r->name.len);
	memcpy(p + 40, r->name.ptr, r->name.len);
	if (!is_null)
		memcpy(p + 40 + r->name.len, r->data.ptr, r->data.len);
	seal(&val);
	return OK;
}

enum err store_file_delete(struct store_file *f, uint64_t id)
{
	uint8_t key_bytes[8];
	MDB_val key = { sizeof(key_bytes), key_bytes };

	store_be64(key_bytes, id);
	enum err e = err_of(mdb_del(f->txn, f->dbi, &key, NULL));
	return e == ERR_NOT_FOUND ? OK : settle(f, e);
}

enum err store_file_commit(struct store_file *f, int64_t zxid)
{
	MDB_val val;
	enum err e = put(f, 0, HEAD_BYTES, &val);

	if (e == OK) {
		uint8_t *p = val.mv_data;

		memcpy(p + 4, HEAD_MAGIC, 8);
		store_be32(p + 12, FORMAT);
		store_be64(p + 16, (uint64_t)zxid);
		seal(&val);
		e = FAULT_POINT(coord_file_commit);
	}
	if (e != OK) {
		store_file_abort(f);
		return settle(f, e);
	}
	int rc = mdb_txn_commit(f->txn);	/* frees it, whatever it answers */
	f->txn = NULL;
	if (rc == MDB_SUCCESS)
		set_room_aside(f);
	return settle(f, err_of(rc));
}

void store_file_abort(struct store_file *f)
{
	mdb_txn_abort(f->txn);
	f->txn = NULL;
}
