/*
 * A log directory from start to stop.
 *
 * The clean-shutdown marker says "every byte here was synced and closed". It is removed, and the
 * removal synced, before anything else is read: a marker that came back after a power cut would
 * make the next start trust files that were being written. It is written last. The sync is also for
 * what a killed process has renamed here: what this start finds, and goes by, no power cut undoes.
 */
#include "storage/logdir_priv.h"

#include <stdio.h>
#include <stdlib.h>

#define CLEAN_TEXT  "{\"version\":0,\"brokerEpoch\":-1}"

static const char *const checkpoint_files[LOGDIR_CHECKPOINTS] = {
	[LOGDIR_RECOVERY_POINTS] = "recovery-point-offset-checkpoint",
	[LOGDIR_LOG_STARTS]      = "log-start-offset-checkpoint",
	[LOGDIR_HIGH_WATERMARKS] = "replication-offset-checkpoint",
	[LOGDIR_CLEANER_OFFSETS] = "cleaner-offset-checkpoint",
};

const char *logdir_checkpoint_name(enum logdir_checkpoint kind)
{
	return checkpoint_files[kind];
}

void logdir_file(const struct logdir *d, const char *name, char out[LOGDIR_FILE_MAX])
{
	int n = snprintf(out, LOGDIR_FILE_MAX, "%s/%s", d->path, name);

	ASSERT(n > 0 && n < LOGDIR_FILE_MAX);
}

/* --- opening ---------------------------------------------------------------------------------- */

static enum err say(char error[LOGDIR_ERROR_MAX], enum err err, const char *fmt, ...) PRINTF(3, 4);

static enum err say(char error[LOGDIR_ERROR_MAX], enum err err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error, LOGDIR_ERROR_MAX, fmt, ap);
	va_end(ap);
	return err;
}

static enum err take_lock(struct logdir *d, char error[LOGDIR_ERROR_MAX])
{
	char path[LOGDIR_FILE_MAX];
	enum err err = os_mkdir_all(d->os, d->path);

	if (err == ERR_EXISTS)
		return say(error, err, "log directory %s is not a directory but a file", d->path);
	if (err != OK)
		return say(error, err, "log directory %s cannot be created: %s", d->path,
			err_text(err));
	logdir_file(d, LOGDIR_LOCK_FILE, path);
	err = os_open(d->os, path, OS_RDWR | OS_CREATE, &d->lock);
	if (err != OK)
		return say(error, err, "log directory %s is not writable: %s", d->path,
			err_text(err));
	err = os_lock(d->os, d->lock);
	if (err == ERR_LOCKED)
		return say(error, err, "log directory %s is in use by another broker (it holds %s)",
			d->path, path);
	if (err != OK)
		return say(error, err, "%s cannot be locked: %s", path, err_text(err));
	return OK;
}

bool logdir_is_in_use(struct os *os, const char *path)
{
	char file[LOGDIR_FILE_MAX];
	bool is_locked = false;
	os_fd fd = -1;

	if ((size_t)snprintf(file, sizeof(file), "%s/%s", path, LOGDIR_LOCK_FILE) >= sizeof(file) || os_open(os, file, OS_RDONLY, &fd) != OK)
		return false;
	if (os_is_locked(os, fd, &is_locked) != OK)
		is_locked = false;
	os_close(os, &fd);
	return is_locked;
}

enum err logdir_read_meta(struct os *os, const char *path, struct meta_properties *m, char error[LOGDIR_ERROR_MAX])
{
	enum err err = meta_properties_read(m, os, path);

	if (err == OK || err == ERR_NOT_FOUND)
		return err;
	if (err == ERR_UNSUPPORTED)
		return say(error, err,
			"%s/meta.properties is not of version 0: the directory belongs to a "
			"broker that does not use ZooKeeper", path);
	return say(error, err, "%s/meta.properties cannot be read: %s", path, err_text(err));
}

bool logdir_is_of(const char *path, const struct meta_properties *m, int32_t broker_id, const char *cluster_id, char error[LOGDIR_ERROR_MAX])
{
	enum err e = OK;

	if (cluster_id != NULL && m->cluster_id[0] != '\0' && strcmp(m->cluster_id, cluster_id) != 0)
		e = say(error, ERR_INVALID,
			"%s belongs to cluster %s, but this broker is of cluster %s",
			path, m->cluster_id, cluster_id);
	else if (broker_id >= 0 && m->broker_id >= 0 && m->broker_id != broker_id)
		e = say(error, ERR_INVALID, "%s belongs to broker %d, but this is broker %d",
			path, m->broker_id, broker_id);
	return e == OK;
}

static enum err read_meta(struct logdir *d, char error[LOGDIR_ERROR_MAX])
{
	enum err err = logdir_read_meta(d->os, d->path, &d->meta, error);

	d->has_meta = err == OK;
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err logdir_open(struct logdir **out, struct os *os, const struct log_source *log,
	const char *path, char error[LOGDIR_ERROR_MAX])
{
	struct logdir *d;
	size_t len = strlen(path);
	enum err err;

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len == 0 || len > LOGDIR_PATH_MAX)
		return say(error, ERR_INVALID, "a log directory's path has 1 to %d bytes, not %zu",
			LOGDIR_PATH_MAX, len);
	d = mem_calloc(1, sizeof(*d));
	d->os = os;
	d->log = *log;
	d->path = mem_strndup(path, len);
	d->lock = -1;
	map_init(&d->known);
	err = take_lock(d, error);
	if (err == OK)
		err = read_meta(d, error);
	if (err == ERR_LOCKED || err == ERR_CORRUPT || err == ERR_UNSUPPORTED) {
		logdir_close(&d);
		return err;
	}
	if (err != OK)
		logdir_set_offline(d, err, error);
	else
		logdir_look_at_space(d);
	*out = d;
	return OK;
}

void logdir_close(struct logdir **dp)
{
	struct logdir *d = *dp;

	if (d == NULL)
		return;
	logdir_forget(d);
	map_fini(&d->known);
	os_close(d->os, &d->lock);
	free(d->path);
	free(d);
	*dp = NULL;
}

const char *logdir_path(const struct logdir *d)
{
	return d->path;
}

const struct meta_properties *logdir_meta(const struct logdir *d)
{
	return d->has_meta ? &d->meta : NULL;
}

enum err logdir_claim(struct logdir *d, int32_t broker_id, const char *cluster_id,
	char error[LOGDIR_ERROR_MAX])
{
	struct meta_properties m = d->meta;
	enum err err;

	ASSERT(broker_id >= 0 && cluster_id[0] != '\0' &&
		strlen(cluster_id) < META_PROPERTIES_ID_MAX);
	if (logdir_is_offline(d))
		return OK;
	if (d->has_meta && !logdir_is_of(d->path, &m, broker_id, cluster_id, error))
		return ERR_INVALID;
	if (d->has_meta && m.broker_id >= 0 && m.cluster_id[0] != '\0')
		return OK;
	if (!d->has_meta)
		m = (struct meta_properties){ 0 };
	m.broker_id = broker_id;
	snprintf(m.cluster_id, sizeof(m.cluster_id), "%s", cluster_id);
	err = meta_properties_write(&m, d->os, d->path, os_time_ms(d->os));
	if (err != OK)
		return say(error, err, "%s/meta.properties cannot be written: %s", d->path,
			err_text(err));
	d->meta = m;
	d->has_meta = true;
	return OK;
}

/* --- what the files said ---------------------------------------------------------------------- */

static const struct logdir_known nothing_known = {
	.recovery_point = -1, .log_start_offset = -1, .high_watermark = -1, .cleaner_offset = -1,
};

static size_t make_key(uint8_t key[LOGDIR_NAME_MAX + 4], struct slice topic, int32_t partition)
{
	memcpy(key, topic.ptr, topic.len);
	memcpy(key + topic.len, &partition, sizeof(partition));
	return topic.len + sizeof(partition);
}

struct logdir_known *logdir_known_put(struct logdir *d, struct slice topic, int32_t partition)
{
	uint8_t key[LOGDIR_NAME_MAX + 4];
	struct known *k;
	size_t len;

	if (topic.len == 0 || topic.len > LOGDIR_NAME_MAX)
		return NULL;
	len = make_key(key, topic, partition);
	k = map_get(&d->known, slice_of(key, len));
	if (k == NULL) {
		k = mem_calloc(1, sizeof(*k) + len);
		k->facts = nothing_known;
		k->key_len = len;
		memcpy(k->key, key, len);
		map_put(&d->known, slice_of(k->key, len), k);
	}
	return &k->facts;
}

void logdir_known(const struct logdir *d, const char *topic, int32_t partition,
	struct logdir_known *out)
{
	uint8_t key[LOGDIR_NAME_MAX + 4];
	const struct known *k = NULL;
	struct slice name = slice_str(topic);

	if (name.len <= LOGDIR_NAME_MAX)
		k = map_get(&d->known, slice_of(key, make_key(key, name, partition)));
	*out = k != NULL ? k->facts : nothing_known;
}

void logdir_forget(struct logdir *d)
{
	MAP_FOREACH(e, &d->known)
		free(e->value);
	map_fini(&d->known);
}

struct loading {
	struct logdir          *dir;
	enum logdir_checkpoint  kind;
	bool                    is_bad;
};

static void take_entry(void *arg, const struct checkpoint_entry *e)
{
	struct loading *l = arg;
	struct logdir_known *k = NULL;

	if (e->offset >= 0)
		k = logdir_known_put(l->dir, e->topic, e->partition);
	if (k == NULL) {
		l->is_bad = true;
		return;
	}
	switch (l->kind) {
	case LOGDIR_RECOVERY_POINTS: k->recovery_point = e->offset; break;
	case LOGDIR_LOG_STARTS:      k->log_start_offset = e->offset; break;
	case LOGDIR_HIGH_WATERMARKS: k->high_watermark = e->offset; break;
	case LOGDIR_CLEANER_OFFSETS: k->cleaner_offset = e->offset; break;
	case LOGDIR_CHECKPOINTS:     ASSERT(false);
	}
}

static enum err take_clean_marker(struct logdir *d, char error[LOGDIR_ERROR_MAX])
{
	char path[LOGDIR_FILE_MAX];
	enum err err;

	logdir_file(d, LOGDIR_CLEAN_FILE, path);
	err = os_unlink(d->os, path);
	d->had_clean_shutdown = err == OK;
	if (err != OK && err != ERR_NOT_FOUND)
		return say(error, err, "%s cannot be removed: %s", path, err_text(err));
	err = os_fsync_dir(d->os, d->path);
	return err == OK ? OK : say(error, err, "log directory %s cannot be synced: %s", d->path, err_text(err));
}

/* They save work; without them a log is cleaned from its start. */
static void forget_cleaner_offsets(struct logdir *d)
{
	MAP_FOREACH(e, &d->known)
		((struct known *)e->value)->facts.cleaner_offset = -1;
	LOG_WARN(&d->log, cleaner_offsets_damaged, KV_STR("dir", d->path));
}

static void judge_entry(void *arg, const struct checkpoint_entry *e)
{
	*(bool *)arg |= e->offset < 0 || e->topic.len == 0 || e->topic.len > LOGDIR_NAME_MAX;
}

enum err logdir_check_checkpoint(struct os *os, const char *dir, enum logdir_checkpoint kind, char error[LOGDIR_ERROR_MAX])
{
	char path[LOGDIR_FILE_MAX];
	bool is_bad = false;

	snprintf(path, sizeof(path), "%.*s/%s", LOGDIR_PATH_MAX, dir, checkpoint_files[kind]);
	enum err err = checkpoint_read(os, path, judge_entry, &is_bad);
	if (err == OK && is_bad)
		err = ERR_CORRUPT;
	return err == OK || (err == ERR_CORRUPT && kind == LOGDIR_CLEANER_OFFSETS) ? OK : say(error, err, "%s cannot be read: %s", path, err_text(err));
}

enum err logdir_load(struct logdir *d, char error[LOGDIR_ERROR_MAX])
{
	char path[LOGDIR_FILE_MAX];
	enum err err;

	if (logdir_is_offline(d))
		return OK;
	err = take_clean_marker(d, error);
	if (err != OK)
		return err;
	for (int kind = 0; kind < LOGDIR_CHECKPOINTS; kind++) {
		struct loading l = { d, (enum logdir_checkpoint)kind, false };

		logdir_file(d, checkpoint_files[kind], path);
		err = checkpoint_read(d->os, path, take_entry, &l);
		if (err == OK && l.is_bad)
			err = ERR_CORRUPT;
		if (err == ERR_CORRUPT && kind == LOGDIR_CLEANER_OFFSETS)
			forget_cleaner_offsets(d);
		else if (err != OK)
			return say(error, err, "%s cannot be read: %s", path, err_text(err));
	}
	if (d->had_clean_shutdown)
		return OK;
	err = logdir_load_marks(d);
	return err == OK ? OK : say(error, err, "the progress marks of %s cannot be read: %s",
		d->path, err_text(err));
}

bool logdir_had_clean_shutdown(const struct logdir *d)
{
	return d->had_clean_shutdown;
}

bool logdir_may_have_lost(const struct logdir *d)
{
	return !d->had_clean_shutdown && !d->has_page_cache && !logdir_is_offline(d);
}

bool logdir_was_left_by_us(const struct logdir *d)
{
	return d->has_marks;
}

/* --- while it runs ---------------------------------------------------------------------------- */

enum err logdir_write_checkpoint(struct logdir *d, enum logdir_checkpoint kind,
	const struct checkpoint_entry *entries, int n)
{
	char path[LOGDIR_FILE_MAX];

	ASSERT(kind < LOGDIR_CHECKPOINTS);
	logdir_file(d, checkpoint_files[kind], path);
	return checkpoint_write(d->os, path, entries, n);
}

enum err logdir_remove_checkpoint(struct logdir *d, enum logdir_checkpoint kind)
{
	char path[LOGDIR_FILE_MAX];

	ASSERT(kind < LOGDIR_CHECKPOINTS);
	logdir_file(d, checkpoint_files[kind], path);
	enum err err = os_unlink(d->os, path);
	if (err == OK)
		err = os_fsync_dir(d->os, d->path);
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err logdir_space(struct logdir *d, uint64_t *total, uint64_t *usable)
{
	return os_space(d->os, d->path, total, usable);
}

enum err logdir_check_place(struct logdir *d)
{
	char path[LOGDIR_FILE_MAX];
	struct os_stat st;

	logdir_file(d, "meta.properties", path);
	return os_stat(d->os, path, &st);
}

void logdir_look_at_space(struct logdir *d)
{
	uint64_t total, usable;

	if (logdir_space(d, &total, &usable) != OK)
		return;
	__atomic_store_n(&d->seen_total, total, __ATOMIC_RELAXED);
	__atomic_store_n(&d->seen_usable, usable, __ATOMIC_RELAXED);
}

void logdir_seen_space(const struct logdir *d, uint64_t *total, uint64_t *usable)
{
	*total = __atomic_load_n(&d->seen_total, __ATOMIC_RELAXED);
	*usable = __atomic_load_n(&d->seen_usable, __ATOMIC_RELAXED);
}

bool logdir_is_offline(const struct logdir *d)
{
	return __atomic_load_n(&d->is_offline, __ATOMIC_ACQUIRE) != 0;
}

void logdir_set_offline(struct logdir *d, enum err cause, const char *what)
{
	if (__atomic_exchange_n(&d->is_offline, 1, __ATOMIC_ACQ_REL) == 0)
		LOG_ERROR(&d->log, logdir_offline, KV_STR("dir", d->path), KV_STR("what", what),
			KV_ERR(cause));
}

enum err logdir_close_clean(struct logdir **dp)
{
	struct logdir *d = *dp;
	char path[LOGDIR_FILE_MAX];
	enum err err = logdir_is_offline(d) ? ERR_OFFLINE : OK;

	if (err == OK) {
		logdir_file(d, LOGDIR_CLEAN_FILE, path);
		err = os_replace_file(d->os, path, CLEAN_TEXT, sizeof(CLEAN_TEXT) - 1);
	}
	/* What they say stays true until a file they speak of is changed, which a mark notices. */
	if (err == OK)
		err = logdir_remove_marks(d);
	logdir_close(dp);
	return err;
}
