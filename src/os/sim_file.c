/*
 * os.h's files on the simulated disk. Each operation is admitted first (is the machine alive, does
 * a fault strike), then done, then mixed into the hash.
 */
#include "os/sim_priv.h"

#include <errno.h>
#include <stdlib.h>

static uint64_t hash_bytes(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t h = len, word;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&word, p, 8);
		h = sim_mix(h, word);
	}
	word = 0;
	memcpy(&word, p, len);
	return sim_mix(h, word);
}

static uint64_t hash_path(const char *path)
{
	return hash_bytes(path, strlen(path));
}

/* --- admission -------------------------------------------------------------------------------- */

static bool is_under(const char *path, const char *dir)
{
	if (dir == NULL)
		return true;
	path += strspn(path, "/");
	dir += strspn(dir, "/");
	size_t len = strlen(dir);
	while (len > 0 && dir[len - 1] == '/')
		len--;
	return len == 0 || (strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0'));
}

static enum err injected(enum err e)
{
	errno = e == ERR_NO_SPACE ? ENOSPC : EIO;
	return e;
}

/* What needs no room does not suffer from a lack of it. */
static enum err strike(struct sim_os *m, enum sim_op op, const char *path, bool needs_room)
{
	struct sim_fault *once = &m->once, *often[2] = { &m->often[op], &m->often[SIM_ANY] };

	if (once->nth != 0 && (needs_room || once->error != ERR_NO_SPACE) && (m->once_op == op || m->once_op == SIM_ANY) && is_under(path, once->under) && --once->nth == 0)
		return injected(once->error);
	for (int i = 0; i < 2; i++)
		if (often[i]->per_million != 0 && (needs_room || often[i]->error != ERR_NO_SPACE) && is_under(path, often[i]->under)
		    && sim_rng_chance(&m->chance, often[i]->per_million))
			return injected(often[i]->error);
	return OK;
}

/* OK: go on. ERR_CLOSED: the machine is dead, or just died in this operation. Others: a fault, to be answered. */
static enum err admit_as(struct sim_os *m, enum sim_op op, const char *path, bool needs_room)
{
	if (m->is_dead)
		return ERR_CLOSED;
	enum err e = strike(m, op, path, needs_room);
	if (op == SIM_OPEN || op == SIM_READ)
		return e;
	m->disk_ops++;
	if (m->disk_ops == m->dies_at) {
		m->is_dead = true;
		return ERR_CLOSED;
	}
	return e;
}

static enum err admit(struct sim_os *m, enum sim_op op, const char *path)
{
	return admit_as(m, op, path, true);
}

/* --- descriptors ------------------------------------------------------------------------------ */

static int open_inode(struct sim_os *m, const struct sim_place *place, int flags, struct sim_inode **out)
{
	struct sim_inode *i = place->inode;

	if (i == NULL) {
		if ((flags & OS_CREATE) == 0)
			return ENOENT;
		i = sim_inode_create(&m->disk, false, place->parent->volume, m->net->now);
		struct sim_change c = { place->parent, i, (char *)(uintptr_t)place->name };
		sim_disk_rename(&m->disk, &c, NULL, m->net->now);
	} else if ((flags & OS_EXCL) != 0) {
		return EEXIST;
	} else if (i->is_dir && (flags & ~(OS_DIR | OS_NO_WAIT)) != OS_RDONLY) {
		return EISDIR;
	} else if (!i->is_dir && (flags & OS_DIR) != 0) {
		return ENOTDIR;
	} else if ((flags & OS_TRUNC) != 0 && i->now.size != 0) {
		(void)sim_inode_truncate(i, 0, m->net->now);
	}
	*out = i;
	return 0;
}

static enum err sim_open(struct os *os, const char *path, int flags, os_fd *out)
{
	struct sim_os *m = sim_of(os);
	struct sim_place place;
	struct sim_inode *inode = NULL;
	int found = sim_disk_find(&m->disk, path, &place, NULL, NULL);
	bool creates = found == 0 && place.inode == NULL && (flags & OS_CREATE) != 0;
	bool cuts = found == 0 && place.inode != NULL && (flags & OS_TRUNC) != 0 && place.inode->now.size != 0;
	enum err e = admit(m, creates ? SIM_NAME : cuts ? SIM_TRUNCATE : SIM_OPEN, path);

	if (e == OK)
		e = sim_errno(found);
	if (e == OK)
		e = sim_errno(open_inode(m, &place, flags, &inode));
	if (e == OK) {
		sim_inode_use(inode);
		*out = sim_fd_add(m, (struct sim_fd){
			.inode = inode, .path = mem_strdup(path), .can_write = (flags & OS_RDWR) != 0,
		});
	}
	return sim_done(m, "open", hash_path(path), (uint64_t)flags, e);
}

/* The descriptor of a file; NULL and why not. */
static struct sim_fd *file_of(struct sim_os *m, os_fd fd, enum err *e)
{
	struct sim_fd *f = sim_fd_get(m, fd);

	*e = OK;
	if (f == NULL)
		*e = ERR_CLOSED;
	else
		ASSERT(f->inode != NULL);	/* a socket: not a question of luck */
	return f;
}

/* --- reading ---------------------------------------------------------------------------------- */

static enum err read_at(const struct sim_inode *i, void *buf, size_t len, int64_t pos, size_t *got)
{
	if (i->is_dir)
		return sim_errno(EISDIR);
	if ((uint64_t)pos < i->now.size) {
		*got = MIN(len, i->now.size - (size_t)pos);
		if (*got != 0)
			sim_bytes_read(&i->now, (size_t)pos, buf, *got);
	}
	return OK;
}

static enum err sim_pread(struct os *os, os_fd fd, void *buf, size_t len, int64_t pos, size_t *got)
{
	struct sim_os *m = sim_of(os);
	enum err e;
	struct sim_fd *f = file_of(m, fd, &e);

	if (f == NULL)
		return e;
	e = admit(m, SIM_READ, f->path);
	if (e == OK)
		e = read_at(f->inode, buf, len, pos, got);
	return sim_done(m, "pread", (uint64_t)fd, sim_mix((uint64_t)pos, *got), e);
}

static enum err sim_pread_cached(struct os *os, os_fd fd, void *buf, size_t len, int64_t pos, size_t *got)
{
	struct sim_os *m = sim_of(os);
	enum err e;
	struct sim_fd *f = file_of(m, fd, &e);

	if (f == NULL)
		return e;
	if (sim_rng_chance(&m->chance, m->cold_per_million))
		e = sim_errno(EAGAIN);
	else if ((e = admit(m, SIM_READ, f->path)) == OK)
		e = read_at(f->inode, buf, len, pos, got);
	if (*got > 1 && sim_rng_chance(&m->chance, m->cold_per_million))	/* the rest is cold */
		*got = 1 + (size_t)sim_rng_below(&m->chance, *got - 1);
	return sim_done(m, "pread_cached", (uint64_t)fd, sim_mix((uint64_t)pos, *got), e);
}

static bool sim_is_cached(struct os *os, os_fd fd, int64_t pos, size_t len)
{
	struct sim_os *m = sim_of(os);

	if (sim_fd_get(m, fd) == NULL)
		return false;
	bool is_cold = sim_rng_chance(&m->chance, m->cold_per_million);
	(void)!sim_done(m, "is_cached", (uint64_t)fd, sim_mix((uint64_t)pos, len), is_cold ? ERR_AGAIN : OK);
	return !is_cold;
}

static int sim_fd_percent(struct os *os, os_fd fd UNUSED)
{
	return sim_of(os)->fd_percent;
}

/* --- writing ---------------------------------------------------------------------------------- */

static int write_iov(struct sim_os *m, struct sim_inode *f, const struct iovec *iov, int n, int64_t pos, size_t limit)
{
	for (int i = 0; i < n && limit != 0; i++) {
		size_t len = MIN(iov[i].iov_len, limit);
		int e = sim_inode_write(f, iov[i].iov_base, len, (size_t)pos, m->net->now);
		if (e != 0)
			return e;
		pos += (int64_t)len;
		limit -= len;
	}
	return 0;
}

/* How much of a write that fails, or dies, happens: none, all or something between. */
static size_t partial(struct sim_os *m, size_t len)
{
	switch (sim_rng_below(&m->chance, 4)) {
	case 0:  return 0;
	case 1:  return len;
	default: return (size_t)sim_rng_below(&m->chance, len + 1);
	}
}

static enum err sim_pwritev(struct os *os, os_fd fd, const struct iovec *iov, int n, int64_t pos)
{
	struct sim_os *m = sim_of(os);
	enum err e;
	struct sim_fd *f = file_of(m, fd, &e);
	size_t len = 0;
	uint64_t content = 0;

	if (f == NULL)
		return e;
	for (int i = 0; i < n; i++) {
		len += iov[i].iov_len;
		content = sim_mix(content, hash_bytes(iov[i].iov_base, iov[i].iov_len));
	}
	if (!f->can_write || len == 0)
		return sim_done(m, "pwritev", (uint64_t)fd, 0, sim_errno(f->can_write ? 0 : EBADF));
	e = admit(m, SIM_WRITE, f->path);
	int done = write_iov(m, f->inode, iov, n, pos, e == OK ? len : partial(m, len));
	if (e == OK)
		e = sim_errno(done);
	return sim_done(m, "pwritev", (uint64_t)fd, sim_mix((uint64_t)pos, content), e);
}

static enum err sim_ftruncate(struct os *os, os_fd fd, int64_t size)
{
	struct sim_os *m = sim_of(os);
	enum err e;
	struct sim_fd *f = file_of(m, fd, &e);

	if (f == NULL)
		return e;
	e = admit(m, SIM_TRUNCATE, f->path);
	if (e == OK && !f->can_write)
		e = sim_errno(EINVAL);
	if (e == OK)
		e = sim_errno(sim_inode_truncate(f->inode, (size_t)size, m->net->now));
	return sim_done(m, "ftruncate", (uint64_t)fd, (uint64_t)size, e);
}

/* Nothing is kept of it: a file of the simulation has no blocks. It can be refused as a write can. */
static enum err sim_allocate(struct os *os, os_fd fd, int64_t pos, int64_t len)
{
	struct sim_os *m = sim_of(os);
	enum err e;
	struct sim_fd *f = file_of(m, fd, &e);

	if (f == NULL)
		return e;
	e = admit(m, SIM_WRITE, f->path);
	return sim_done(m, "allocate", (uint64_t)fd, sim_mix((uint64_t)pos, (uint64_t)len), e);
}

/* A power cut keeps what it likes of what was not synced, so there is nothing to do. */
static void sim_write_out(struct os *os, os_fd fd, int64_t pos, int64_t len)
{
	struct sim_os *m = sim_of(os);

	if (sim_fd_get(m, fd) != NULL)
		(void)!sim_done(m, "write_out", (uint64_t)fd, sim_mix((uint64_t)pos, (uint64_t)len), OK);
}

static enum err sim_sync(struct os *os, os_fd fd, bool data_only)
{
	struct sim_os *m = sim_of(os);
	enum err e;
	struct sim_fd *f = file_of(m, fd, &e);

	if (f == NULL)
		return e;
	e = admit(m, SIM_SYNC, f->path);
	if (e == OK)
		sim_inode_sync(&m->disk, f->inode);
	else if (!m->is_dead)
		sim_inode_sync_failed(&m->disk, f->inode);
	return sim_done(m, "sync", (uint64_t)fd, data_only, e);
}

/* --- facts ------------------------------------------------------------------------------------ */

static void fill_stat(const struct sim_os *m, const struct sim_inode *i, struct os_stat *out)
{
	int64_t wall_ns = (os_time_ms((struct os *)(uintptr_t)&m->os) - m->wall_step) * 1000000;

	wall_ns += m->net->now % 1000000;	/* the two clocks run together; only their zero differs */
	*out = (struct os_stat){
		.size = i->now.size,
		.mtime_ns = wall_ns - (m->net->now - i->mtime_ns),
		.inode = i->number,
		.device = i->volume->device,
		.is_dir = i->is_dir,
	};
	out->mtime = out->mtime_ns / 1000000;
}

static enum err sim_fstat(struct os *os, os_fd fd, struct os_stat *out)
{
	struct sim_os *m = sim_of(os);
	enum err e;
	struct sim_fd *f = file_of(m, fd, &e);

	if (f == NULL)
		return e;
	fill_stat(m, f->inode, out);
	return sim_done(m, "fstat", (uint64_t)fd, out->size, OK);
}

/* What the path names; NULL and why not. */
static struct sim_inode *existing(struct sim_os *m, const char *path, struct sim_place *place, enum err *e)
{
	int errnum = sim_disk_find(&m->disk, path, place, NULL, NULL);

	if (errnum == 0 && place->inode == NULL)
		errnum = ENOENT;
	*e = m->is_dead ? ERR_CLOSED : sim_errno(errnum);
	return *e == OK ? place->inode : NULL;
}

static enum err sim_stat(struct os *os, const char *path, struct os_stat *out)
{
	struct sim_os *m = sim_of(os);
	struct sim_place place;
	enum err e;
	struct sim_inode *i = existing(m, path, &place, &e);

	if (i != NULL)
		fill_stat(m, i, out);
	return sim_done(m, "stat", hash_path(path), i != NULL ? out->size : 0, e);
}

static enum err sim_list_dir(struct os *os, const char *path, os_each_entry *each, void *arg)
{
	struct sim_os *m = sim_of(os);
	struct sim_place place;
	struct os_names names = { 0 };
	enum err e;
	struct sim_inode *dir = existing(m, path, &place, &e);

	if (dir != NULL && !dir->is_dir)
		e = sim_errno(ENOTDIR);
	if (e == OK)
		e = admit(m, SIM_READ, path);
	if (e != OK)
		return sim_done(m, "list", hash_path(path), 0, e);
	for (size_t i = 0; i < dir->names_now.count; i++)
		os_names_add(&names, dir->names_now.at[i].name, dir->names_now.at[i].inode->is_dir);
	(void)!sim_done(m, "list", hash_path(path), names.count, OK);
	os_names_give(&names, each, arg);
	return OK;
}

static enum err sim_lock(struct os *os, os_fd fd)
{
	struct sim_os *m = sim_of(os);
	enum err e;
	struct sim_fd *f = file_of(m, fd, &e);

	if (f == NULL)
		return e;
	if (!f->can_write)
		e = sim_errno(EBADF);
	else if (f->inode->locked_by >= 0 && f->inode->locked_by != fd)
		e = ERR_LOCKED;
	else
		f->inode->locked_by = fd;
	return sim_done(m, "lock", (uint64_t)fd, 0, e);
}

static enum err sim_is_locked(struct os *os, os_fd fd, bool *out)
{
	struct sim_os *m = sim_of(os);
	enum err e = OK;
	struct sim_fd *f = file_of(m, fd, &e);

	*out = f != NULL && f->inode->locked_by >= 0 && f->inode->locked_by != fd;
	return f != NULL ? sim_done(m, "is_locked", (uint64_t)fd, 0, OK) : e;
}

static enum err sim_space(struct os *os, const char *path, uint64_t *total, uint64_t *usable)
{
	struct sim_os *m = sim_of(os);
	struct sim_place place;
	enum err e;
	struct sim_inode *i = existing(m, path, &place, &e);

	if (i != NULL) {
		*total = i->volume->capacity;
		*usable = *total - MIN(i->volume->used, *total);
	}
	return sim_done(m, "space", hash_path(path), *usable, e);
}

/* --- names ------------------------------------------------------------------------------------ */

/* errno of Linux in the order of its checks. below: where one of the two lies on the way to the other. */
static int rename_refused(const struct sim_place *from, const struct sim_place *to, bool to_is_below, bool from_is_below)
{
	if (from->parent == NULL || to->parent == NULL)
		return EBUSY;		/* the root */
	if (from->parent->volume != to->parent->volume || from->inode->volume != to->parent->volume)
		return EXDEV;
	if (to_is_below)
		return EINVAL;
	if (from_is_below)
		return ENOTEMPTY;
	if (to->inode == NULL || to->inode == from->inode)
		return 0;
	if (to->inode->is_dir != from->inode->is_dir)
		return to->inode->is_dir ? EISDIR : ENOTDIR;
	return to->inode->names_now.count != 0 ? ENOTEMPTY : 0;
}

static enum err sim_rename(struct os *os, const char *from, const char *to)
{
	struct sim_os *m = sim_of(os);
	struct sim_place a, b, again;
	bool to_is_below = false, from_is_below = false;
	enum err e = admit(m, SIM_NAME, from), missing;

	if (e == ERR_NO_SPACE && existing(m, from, &a, &missing) == NULL)
		e = missing;
	if (e == OK && existing(m, from, &a, &e) != NULL)
		e = sim_errno(sim_disk_find(&m->disk, to, &b, a.inode, &to_is_below));
	if (e == OK)
		e = sim_errno(sim_disk_find(&m->disk, from, &again, b.inode, &from_is_below));
	if (e == OK)
		e = sim_errno(rename_refused(&a, &b, to_is_below, from_is_below));
	if (e == OK && a.inode != b.inode) {
		struct sim_change gone = { a.parent, NULL, a.name }, there = { b.parent, a.inode, b.name };
		sim_disk_rename(&m->disk, &there, &gone, m->net->now);
	}
	return sim_done(m, "rename", hash_path(from), hash_path(to), e);
}

static enum err remove_name(struct sim_os *m, const char *what, const char *path, bool wants_dir)
{
	struct sim_place place;
	enum err e = admit_as(m, SIM_NAME, path, false);

	if (e == OK && existing(m, path, &place, &e) != NULL) {
		if (place.inode->is_dir != wants_dir)
			e = sim_errno(wants_dir ? ENOTDIR : EISDIR);
		else if (place.parent == NULL)
			e = sim_errno(EBUSY);
		else if (place.inode->names_now.count != 0)
			e = sim_errno(ENOTEMPTY);
	}
	if (e == OK) {
		struct sim_change gone = { place.parent, NULL, place.name };
		sim_disk_rename(&m->disk, &gone, NULL, m->net->now);
	}
	return sim_done(m, what, hash_path(path), 0, e);
}

static enum err sim_unlink(struct os *os, const char *path)
{
	return remove_name(sim_of(os), "unlink", path, false);
}

static enum err sim_rmdir(struct os *os, const char *path)
{
	return remove_name(sim_of(os), "rmdir", path, true);
}

static enum err sim_mkdir(struct os *os, const char *path)
{
	struct sim_os *m = sim_of(os);
	struct sim_place place;
	enum err e = admit(m, SIM_NAME, path);

	if (e == OK)
		e = sim_errno(sim_disk_find(&m->disk, path, &place, NULL, NULL));
	if (e == OK && place.inode != NULL)
		e = sim_errno(EEXIST);
	if (e == OK) {
		struct sim_inode *dir = sim_inode_create(&m->disk, true, place.parent->volume, m->net->now);
		struct sim_change c = { place.parent, dir, place.name };
		sim_disk_rename(&m->disk, &c, NULL, m->net->now);
	}
	return sim_done(m, "mkdir", hash_path(path), 0, e);
}

void sim_file_ops(struct os_ops *ops)
{
	ops->open = sim_open;
	ops->pread = sim_pread;
	ops->pread_cached = sim_pread_cached;
	ops->pwritev = sim_pwritev;
	ops->ftruncate = sim_ftruncate;
	ops->allocate = sim_allocate;
	ops->write_out = sim_write_out;
	ops->sync = sim_sync;
	ops->fstat = sim_fstat;
	ops->stat = sim_stat;
	ops->rename = sim_rename;
	ops->unlink = sim_unlink;
	ops->mkdir = sim_mkdir;
	ops->rmdir = sim_rmdir;
	ops->list_dir = sim_list_dir;
	ops->lock = sim_lock;
	ops->is_locked = sim_is_locked;
	ops->space = sim_space;
	ops->is_cached = sim_is_cached;
	ops->fd_percent = sim_fd_percent;
}
