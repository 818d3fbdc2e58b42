/*
 * What skein check --repair does, and in this order, so that an end at any moment leaves something that a broker starts on and that the next run goes on with:
 *
 *	1  files that only repeat what others say, and are damaged, get another name (.damaged)
 *	2  bytes at a log's end that are no batch are copied into a file beside it
 *	3  recovery from the batches, the broker's own: the end is cut, indexes, epochs and a snapshot are made anew, all is synced
 *	4  checkpoints are written anew
 *
 * Nothing that can be read goes away: where sound batches lie behind damage, the partition is left as it is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "doctor.h"
#include "storage/log.h"
#include "tool.h"

#define PRODUCER_EXPIRATION_MS 86400000		/* as brokers have it unless told otherwise; older ones go when a broker starts */

/* ---- the plan ---- */

static bool must_write(const struct doctor_checkpoint *c)
{
	return c->is_damaged || c->is_changed;
}

static void torn_name(const struct doctor_partition *p, char *out, size_t size)
{
	snprintf(out, size, "%020lld.log.cut-at-%lld.damaged", (long long)p->result.torn_segment, (long long)p->result.torn_pos);
}

static const char *why_not(const struct inspect_result *r)
{
	return r->is_unreadable ? "not all of it can be read" :
	       r->inside > 0 ? "sound batches lie behind the damage, and recovery would cut them off; where another replica has them, move the directory away, else save "
			       "them: skein log dump -o ndjson" :
	       r->old_format >= 0 ? "it has batches of an old format" : "there is no remedy but to put the files in order by hand";
}

int doctor_plan(const struct doctor_dir *dir, void (*say)(void *arg, const char *path, const char *text), void *arg)
{
	struct strbuf text = STRBUF_INIT;
	int things = 0;

	for (int i = 0; i < dir->count; i++) {
		const struct doctor_partition *p = &dir->partitions[i];
		char name[96];

		strbuf_reset(&text);
		if (p->plan == PLAN_REFUSE) {
			strbuf_printf(&text, "is left as it is: %s", why_not(&p->result));
			say(arg, p->path, strbuf_cstr(&text));
			continue;
		}
		for (int k = 0; k < p->aside_count; k++)
			strbuf_printf(&text, "%s%s gets the name %s.damaged", text.len > 0 ? "; " : "", p->aside[k], p->aside[k]);
		if (p->plan == PLAN_RECOVER && p->result.torn_bytes > 0) {
			torn_name(p, name, sizeof(name));
			strbuf_printf(&text, "%s%lld bytes behind offset %lld are cut off, and kept in %s", text.len > 0 ? "; " : "", (long long)p->result.torn_bytes,
				      (long long)p->result.next_offset - 1, name);
		}
		if (p->plan == PLAN_RECOVER)
			strbuf_printf(&text, "%sindexes and epochs are made anew from the batches", text.len > 0 ? "; " : "");
		if (text.len > 0) {
			things++;
			say(arg, p->path, strbuf_cstr(&text));
		}
	}
	for (enum logdir_checkpoint kind = 0; kind < LOGDIR_CHECKPOINTS; kind++) {
		if (!must_write(&dir->checkpoints[kind]))
			continue;
		strbuf_reset(&text);
		strbuf_printf(&text, "%s is written anew%s", logdir_checkpoint_name(kind),
			      dir->checkpoints[kind].is_damaged ? " from the lines that can be read; the old one gets the name .damaged" :
			      " without the lines that lead astray");
		things++;
		say(arg, dir->path, strbuf_cstr(&text));
	}
	strbuf_fini(&text);
	return things;
}

/* ---- files ---- */

static bool failed(const char *dir, const char *what, enum err e)
{
	if (e != OK)
		tool_say("%s: %s: %s", dir, what, err_text(e));
	return e != OK;
}

static bool set_aside(const char *dir, const char *name)
{
	char from[LOGDIR_ERROR_MAX + 4096], to[LOGDIR_ERROR_MAX + 4096];

	snprintf(from, sizeof(from), "%s/%s", dir, name);
	snprintf(to, sizeof(to), "%s/%s.damaged", dir, name);
	return !failed(dir, name, os_rename(os_real(), from, to)) && !failed(dir, name, os_fsync_dir(os_real(), dir));
}

static enum err copy_bytes(os_fd from, int64_t pos, int64_t size, os_fd to)
{
	uint8_t *buf = mem_alloc(SCAN_BUFFER_BIG);
	int64_t at = 0;
	enum err e = OK;

	while (e == OK && at < size) {
		size_t got, want = (size_t)MIN(size - at, SCAN_BUFFER_BIG);
		e = os_pread(os_real(), from, buf, want, pos + at, &got);
		if (e == OK && got < want)
			e = ERR_INCOMPLETE;
		if (e == OK)
			e = os_pwrite(os_real(), to, buf, got, at);
		at += (int64_t)want;
	}
	free(buf);
	return e == OK ? os_fdatasync(os_real(), to) : e;
}

static bool keep_torn_bytes(const struct doctor_partition *p)
{
	char name[96], from[8192], to[8192];
	os_fd in, out;

	torn_name(p, name, sizeof(name));
	snprintf(from, sizeof(from), "%s/%020lld.log", p->path, (long long)p->result.torn_segment);
	snprintf(to, sizeof(to), "%s/%s", p->path, name);
	enum err e = os_open(os_real(), from, OS_RDONLY, &in);
	if (failed(p->path, name, e))
		return false;
	e = os_open(os_real(), to, OS_RDWR | OS_CREATE | OS_TRUNC, &out);
	if (e == OK) {
		e = copy_bytes(in, p->result.torn_pos, p->result.torn_bytes, out);
		os_close(os_real(), &out);
	}
	os_close(os_real(), &in);
	return !failed(p->path, name, e);
}

/* ---- recovery ---- */

static void swallow(void *arg, enum log_level level, const char *line, size_t len)
{
	(void)arg, (void)level, (void)line, (void)len;
}

/* Nobody knows here what was synced, nor whether the topic is compacted: as if it were, since then a gap between two segments costs nothing that stands behind it. */
static enum err recover(const struct doctor_partition *p, int64_t *end)
{
	struct topic_config config;
	struct log_source source;
	struct log_recovery recovery;
	struct log *log;

	topic_config_init(&config);
	config.cleanup_policy = CLEANUP_COMPACT;
	log_source_init(&source, "storage", "%s", p->at.name);
	struct log_spec spec = {
		.os = os_real(), .log = &source, .dir = p->path, .topic = p->at.topic, .partition = p->at.partition, .config = &config,
		.producer_id_expiration_ms = PRODUCER_EXPIRATION_MS, .recovery_point = -1, .log_start_offset = p->checkpoints[LOGDIR_LOG_STARTS],
		.high_watermark = p->checkpoints[LOGDIR_HIGH_WATERMARKS], .cleaner_offset = p->checkpoints[LOGDIR_CLEANER_OFFSETS], .now = os_time_ms(os_real()),
	};
	enum err e = log_open(&log, &spec, &recovery);
	if (e != OK)
		return e;
	*end = log_end_offset(log);
	e = log_close_clean(log);
	log_close(&log);
	return e;
}

static void set_recovery_point(struct doctor_dir *dir, const struct doctor_partition *p, int64_t end)
{
	struct doctor_checkpoint *c = &dir->checkpoints[LOGDIR_RECOVERY_POINTS];
	struct doctor_line *line = p->at.kind == LOGDIR_PARTITION ? doctor_line_of(c, &p->at) : NULL;

	if (line == NULL || line->offset <= end)
		return;
	line->offset = end;
	c->is_changed = true;
}

static bool repair_partition(struct doctor_dir *dir, struct doctor_partition *p)
{
	int64_t end = -1;

	if (p->plan == PLAN_REFUSE)
		return true;
	for (int i = 0; i < p->aside_count; i++) {
		if (!set_aside(p->path, p->aside[i]))
			return false;
	}
	if (p->plan != PLAN_RECOVER)
		return true;
	if (p->result.torn_bytes > 0 && !keep_torn_bytes(p))
		return false;
	if (failed(p->path, "recovery", recover(p, &end)))
		return false;
	if (end != p->result.next_offset)
		tool_say("%s: the log ends at offset %lld, not at %lld", p->path, (long long)end, (long long)p->result.next_offset);
	set_recovery_point(dir, p, end);
	return end == p->result.next_offset;
}

/* ---- checkpoints ---- */

static bool write_checkpoint(struct doctor_dir *dir, enum logdir_checkpoint kind)
{
	struct doctor_checkpoint *c = &dir->checkpoints[kind];
	struct checkpoint_entry *entries = mem_calloc((size_t)c->count + 1, sizeof(*entries));
	char path[8192];
	int n = 0;

	for (int i = 0; i < c->count; i++) {
		if (!c->lines[i].is_dropped)
			entries[n++] = (struct checkpoint_entry){ slice_str(c->lines[i].topic), c->lines[i].partition, c->lines[i].offset };
	}
	snprintf(path, sizeof(path), "%s/%s", dir->path, logdir_checkpoint_name(kind));
	bool ok = !c->is_damaged || set_aside(dir->path, logdir_checkpoint_name(kind));
	if (ok)
		ok = !failed(dir->path, logdir_checkpoint_name(kind), checkpoint_write(os_real(), path, entries, n));
	free(entries);
	return ok;
}

/* ---- all ---- */

/* What root writes, the broker must be able to open: it is written as the directory's owner. */
static bool become_owner(const char *path)
{
	struct stat st;

	if (geteuid() != 0 || stat(path, &st) != 0 || (st.st_uid == 0 && st.st_gid == 0))
		return true;
	if (setegid(st.st_gid) == 0 && seteuid(st.st_uid) == 0)
		return true;
	tool_say("%s: cannot act as its owner: %s", path, strerror(errno));
	return false;
}

static bool become_root(void)
{
	return getuid() != 0 || (seteuid(0) == 0 && setegid(getgid()) == 0);
}

bool doctor_repair(struct doctor_dir *dir)
{
	bool ok = become_owner(dir->path);

	log_set_sink(swallow, NULL);		/* what recovery finds has been said */
	for (int i = 0; ok && i < dir->count; i++)
		ok = repair_partition(dir, &dir->partitions[i]);
	for (enum logdir_checkpoint kind = 0; kind < LOGDIR_CHECKPOINTS; kind++) {
		if (ok && must_write(&dir->checkpoints[kind]))
			ok = write_checkpoint(dir, kind);
	}
	return become_root() && ok;
}
