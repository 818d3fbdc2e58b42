/*
 * Partition directories: their names, finding them, removing them.
 *
 * A name is `<topic>-<partition>`, or that with `.<id>-delete`, `-future` or `-stray`. A
 * sub-directory with any other name stops the start, as Kafka does: data of which nobody knows what
 * it is must not be passed over.
 */
#include "storage/logdir_priv.h"

#include <stdio.h>

#define TOPIC_NAME_MAX 249
#define PATH_SIZE      1280

static const struct { const char *suffix; enum logdir_kind kind; } suffixes[] = {
	{ "-delete", LOGDIR_DELETED }, { "-future", LOGDIR_FUTURE }, { "-stray", LOGDIR_STRAY },
};

/* --- names ------------------------------------------------------------------------------------ */

static bool ends_with(const char *name, size_t len, const char *suffix)
{
	size_t n = strlen(suffix);

	return len >= n && memcmp(name + len - n, suffix, n) == 0;
}

/* The last `c` in name[0..len), or NULL. */
static const char *last_of(const char *name, size_t len, char c)
{
	while (len > 0)
		if (name[--len] == c)
			return name + len;
	return NULL;
}

static bool is_topic(const char *name, size_t len)
{
	if (len == 0 || len > TOPIC_NAME_MAX || (len <= 2 && strspn(name, ".") == len))
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			c == '.' || c == '_' || c == '-'))
			return false;
	}
	return true;
}

bool logdir_parse_name(const char *name, struct logdir_entry *out)
{
	size_t len = strlen(name);
	const char *dash;
	int64_t partition;
	struct slice digits;

	if (len == 0 || len > LOGDIR_NAME_MAX)
		return false;
	out->kind = LOGDIR_PARTITION;
	memcpy(out->name, name, len + 1);
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		const char *dot;

		if (!ends_with(name, len, suffixes[i].suffix))
			continue;
		dot = last_of(name, len, '.');
		if (dot == NULL || (size_t)(dot - name) + 1 + strlen(suffixes[i].suffix) >= len)
			return false;
		out->kind = suffixes[i].kind;
		len = (size_t)(dot - name);
		break;
	}
	dash = last_of(name, len, '-');
	if (dash == NULL || !is_topic(name, (size_t)(dash - name)))
		return false;
	digits = slice_of(dash + 1, (size_t)(name + len - dash - 1));
	if (!checkpoint_number(digits, &partition) || partition < 0 || partition > INT32_MAX ||
		digits.ptr[0] == '-' ||
	    (digits.len > 1 && digits.ptr[0] == '0'))
		return false;
	memcpy(out->topic, name, (size_t)(dash - name));
	out->topic[dash - name] = '\0';
	out->partition = (int32_t)partition;
	return true;
}

/* "-<partition>.<32 hex><kind>"; its length. */
static int name_end(char out[80], int32_t partition, struct uuid id, const char *kind)
{
	int n = snprintf(out, 80, "-%d.", partition);

	for (size_t i = 0; i < sizeof(id.bytes); i++)
		n += snprintf(out + n, 80 - (size_t)n, "%02x", id.bytes[i]);
	return n + snprintf(out + n, 80 - (size_t)n, "%s", kind);
}

/* The topic is shortened so that it fits. */
static void retired_name(const char *topic, int32_t partition, struct uuid id, const char *kind, char out[LOGDIR_NAME_MAX + 1])
{
	char end[80];
	int n = name_end(end, partition, id, kind);

	snprintf(out, LOGDIR_NAME_MAX + 1, "%.*s%s", LOGDIR_NAME_MAX - n, topic, end);
}

void logdir_deleted_name(const char *topic, int32_t partition, struct uuid id,
	char out[LOGDIR_NAME_MAX + 1])
{
	retired_name(topic, partition, id, "-delete", out);
}

bool logdir_future_name(const char *topic, int32_t partition, struct uuid id,
	char out[LOGDIR_NAME_MAX + 1])
{
	char end[80];

	name_end(end, partition, id, "-future");
	return snprintf(out, LOGDIR_NAME_MAX + 1, "%s%s", topic, end) <= LOGDIR_NAME_MAX;
}

/* --- finding ---------------------------------------------------------------------------------- */

struct scan {
	void (*each)(void *arg, const struct logdir_entry *e);		/* NULL: only check */
	void *arg;
	char  bad[LOGDIR_NAME_MAX + 1];
};

static bool is_foreign_but_known(const char *name)
{
	return strcmp(name, "remote-log-index-cache") == 0 || strcmp(name, "lost+found") == 0 ||	/* the latter of a file system that was mounted there */
		strncmp(name, "__cluster_metadata-", 19) == 0;
}

static void scan_one(void *arg, const char *name, bool is_dir)
{
	struct scan *s = arg;
	struct logdir_entry e;

	if (!is_dir || is_foreign_but_known(name))
		return;
	if (!logdir_parse_name(name, &e)) {
		if (s->bad[0] == '\0')
			snprintf(s->bad, sizeof(s->bad), "%s", name);
	} else if (s->each != NULL) {
		s->each(s->arg, &e);
	}
}

enum err logdir_scan_path(struct os *os, const char *path, void (*each)(void *arg, const struct logdir_entry *e),
	void *arg, char error[LOGDIR_ERROR_MAX])
{
	struct scan s = { NULL, arg, "" };
	enum err err = os_list_dir(os, path, scan_one, &s);

	if (err == OK && s.bad[0] != '\0') {
		snprintf(error, LOGDIR_ERROR_MAX, "%s/%s is not a partition directory: names are "
			"<topic>-<partition>; move it out of the log directory", path, s.bad);
		return ERR_INVALID;
	}
	s.each = each;
	if (err == OK)
		err = os_list_dir(os, path, scan_one, &s);
	if (err != OK)
		snprintf(error, LOGDIR_ERROR_MAX, "%s cannot be listed: %s", path,
			err_text(err));
	return err;
}

enum err logdir_scan(struct logdir *d, void (*each)(void *arg, const struct logdir_entry *e),
	void *arg, char error[LOGDIR_ERROR_MAX])
{
	return logdir_scan_path(d->os, d->path, each, arg, error);
}

/* --- removing --------------------------------------------------------------------------------- */

struct purge {
	struct os  *os;
	const char *path;
	const char *suffix;		/* only names that end so; "": all */
	enum err    err;
};

static void purge_one(void *arg, const char *name, bool is_dir)
{
	struct purge *p = arg;
	char path[PATH_SIZE];
	int n;

	if (p->err != OK || !ends_with(name, strlen(name), p->suffix))
		return;
	n = snprintf(path, sizeof(path), "%s/%s", p->path, name);
	if (is_dir || n >= (int)sizeof(path))
		p->err = is_dir ? ERR_NOT_EMPTY : ERR_TOO_LARGE;
	else
		p->err = os_unlink(p->os, path);
	if (p->err == ERR_NOT_FOUND)
		p->err = OK;
}

static enum err purge(struct os *os, const char *path, const char *suffix)
{
	struct purge p = { os, path, suffix, OK };
	enum err err = os_list_dir(os, path, purge_one, &p);

	return err == OK ? p.err : err;
}

enum err logdir_purge_files(struct os *os, const char *path)
{
	enum err err = purge(os, path, ".deleted");

	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err retire(struct logdir *d, const char *name, const char *topic, int32_t partition, const char *kind, char now[LOGDIR_NAME_MAX + 1])
{
	char from[LOGDIR_FILE_MAX], to[LOGDIR_FILE_MAX];
	struct uuid id;

	os_random(d->os, id.bytes, sizeof(id.bytes));
	retired_name(topic, partition, id, kind, now);
	logdir_file(d, name, from);
	logdir_file(d, now, to);
	enum err e = os_rename(d->os, from, to);

	return e == ERR_NOT_FOUND ? OK : e;
}

enum err logdir_give_up(struct logdir *d, const char *name, const char *topic, int32_t partition)
{
	char gone[LOGDIR_NAME_MAX + 1];

	return retire(d, name, topic, partition, "-delete", gone);
}

enum err logdir_set_aside(struct logdir *d, const char *name, const char *topic, int32_t partition, char now[LOGDIR_NAME_MAX + 1])
{
	return retire(d, name, topic, partition, "-stray", now);
}

/*
 * Each name is on the device before the next step: that of the directory that counts may be in the page cache only, after a mere kill; and once the note is removed, a name that came
 * back would be a second directory.
 */
enum err logdir_settle_swap(struct logdir *const two[2], const char *topic, int32_t partition, int *which)
{
	char name[LOGDIR_NAME_MAX + 16], path[LOGDIR_FILE_MAX];
	bool has[2];

	snprintf(name, sizeof(name), "%s-%d", topic, partition);
	for (int i = 0; i < 2; i++) {
		logdir_file(two[i], name, path);
		has[i] = log_has_swap_note(two[i]->os, path);
	}
	if (has[0] == has[1])
		return ERR_INVALID;
	*which = has[1];
	struct logdir *kept = two[*which], *other = two[!*which];
	enum err e = os_fsync_dir(kept->os, kept->path);

	if (e == OK)
		e = logdir_give_up(other, name, topic, partition);
	return e == OK ? os_fsync_dir(other->os, other->path) : e;
}

enum err logdir_purge(struct os *os, const char *path)
{
	enum err err = purge(os, path, "");

	if (err == OK)
		err = os_rmdir(os, path);
	return err == ERR_NOT_FOUND ? OK : err;
}
