/*
 * What is found in a log directory: whose it is, what lies in it, what the checkpoints say of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "storage/partition_metadata.h"

#define CHECKPOINT_MAX (256 << 20)

static void file_path(const struct doctor_dir *dir, const char *name, char out[4096])
{
	snprintf(out, 4096, "%s/%s", dir->path, name);
}

/* ---- identity ---- */

static void look_at_identity(struct doctor *d)
{
	char path[4096], error[LOGDIR_ERROR_MAX];
	struct os_stat st;
	enum err e = logdir_read_meta(os_real(), d->dir->path, &d->dir->meta, error);

	d->dir->has_meta = e == OK;
	if (e == ERR_NOT_FOUND)
		DOCTOR_SAY(d, .weight = INSPECT_NOTE, .file = "meta.properties", .what = "not there", .then = "the first broker to start on it makes the directory its own");
	else if (e == ERR_UNSUPPORTED)
		DOCTOR_SAY(d, .weight = INSPECT_DAMAGE, .file = "meta.properties", .what = "of another version", .then = "the directory is that of a KRaft broker");
	else if (e != OK)
		DOCTOR_SAY(d, .weight = INSPECT_DAMAGE, .file = "meta.properties", .what = e == ERR_CORRUPT ? "no version, or a value that cannot be one" : err_text(e),
			   .then = "no broker starts on it; its lines are version=0, broker.id=N and cluster.id=ID");
	file_path(d->dir, LOGDIR_CLEAN_FILE, path);
	d->dir->was_clean = os_stat(os_real(), path, &st) == OK;
}

/* ---- checkpoints ---- */

static void add_line(struct doctor_checkpoint *c, const struct checkpoint_entry *e)
{
	if (e->topic.len > LOGDIR_NAME_MAX)
		return;
	if (c->count == c->room) {
		c->room = MAX(64, 2 * c->room);
		c->lines = mem_realloc_array(c->lines, (size_t)c->room, sizeof(*c->lines));
	}
	struct doctor_line *l = &c->lines[c->count++];
	*l = (struct doctor_line){ .partition = e->partition, .offset = e->offset };
	memcpy(l->topic, e->topic.ptr, e->topic.len);
}

static bool take_line(void *arg, struct slice line)
{
	struct checkpoint_entry e;

	if (!checkpoint_parse_entry(line, &e))
		return false;
	add_line(arg, &e);
	return true;
}

/* Every line that is one, whatever stands around it. */
static void salvage(struct doctor_checkpoint *c, struct slice text)
{
	c->count = 0;
	while (text.len > 0) {
		const uint8_t *end = memchr(text.ptr, '\n', text.len);
		size_t len = end != NULL ? (size_t)(end - text.ptr) : text.len, taken = len + (end != NULL);

		if (end != NULL && !take_line(c, slice_of(text.ptr, len)))
			c->is_damaged = true;
		text = slice_of(text.ptr + taken, text.len - taken);
	}
}

static int by_line(const void *a, const void *b)
{
	const struct doctor_line *x = a, *y = b;
	int order = strcmp(x->topic, y->topic);

	return order != 0 ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

static void read_checkpoint(struct doctor *d, enum logdir_checkpoint kind)
{
	struct doctor_checkpoint *c = &d->dir->checkpoints[kind];
	const char *name = logdir_checkpoint_name(kind);
	char path[4096], what[96], *text;
	size_t len;

	file_path(d->dir, name, path);
	enum err e = os_read_file(os_real(), path, CHECKPOINT_MAX, &text, &len);
	if (e == ERR_NOT_FOUND)
		return;
	if (e != OK) {
		DOCTOR_SAY(d, .weight = INSPECT_DAMAGE, .file = name, .what = err_text(e), .then = "a broker does not use the directory");
		return;
	}
	if (checkpoint_parse(slice_of(text, len), take_line, c) != OK) {
		salvage(c, slice_of(text, len));
		c->is_damaged = true;
		snprintf(what, sizeof(what), "not version 0, a count, and so many lines; %d lines can be read", c->count);
		DOCTOR_SAY(d, .weight = INSPECT_DAMAGE, .remedy = INSPECT_ASIDE, .file = name, .what = what, .then = "a broker does not use the directory");
	}
	free(text);
	if (c->count > 0)
		qsort(c->lines, (size_t)c->count, sizeof(*c->lines), by_line);
}

struct doctor_line *doctor_line_of(struct doctor_checkpoint *c, const struct logdir_entry *e)
{
	struct doctor_line key = { .partition = e->partition };

	snprintf(key.topic, sizeof(key.topic), "%s", e->topic);
	return c->count > 0 ? bsearch(&key, c->lines, (size_t)c->count, sizeof(*c->lines), by_line) : NULL;
}

/* What each checkpoint says of this partition against its log. A log without segments begins where the checkpoint says. */
static void compare_checkpoints(struct doctor *d, struct doctor_partition *p)
{
	int64_t end = p->result.next_offset;
	char what[160];

	for (enum logdir_checkpoint kind = 0; kind < LOGDIR_CHECKPOINTS; kind++) {
		struct doctor_line *said = p->at.kind == LOGDIR_PARTITION ? doctor_line_of(&d->dir->checkpoints[kind], &p->at) : NULL;

		p->checkpoints[kind] = said != NULL ? said->offset : -1;
		if (said == NULL || end < 0 || (said->offset >= 0 && said->offset <= end))
			continue;
		snprintf(what, sizeof(what), "%s says %lld; the log ends at %lld", logdir_checkpoint_name(kind), (long long)said->offset, (long long)end);
		if (kind == LOGDIR_LOG_STARTS && said->offset > end && end > p->result.first_offset) {
			said->is_dropped = d->dir->checkpoints[kind].is_changed = true;
			p->checkpoints[kind] = -1;
			DOCTOR_SAY(d, .weight = INSPECT_DAMAGE, .what = what, .then = "a broker would delete all records and begin there");
		} else {
			DOCTOR_SAY(d, .weight = INSPECT_NOTE, .what = what, .then = "the broker takes what is there when it starts");
		}
	}
}

/* ---- partitions ---- */

static void add_aside(struct doctor_partition *p, const char *name)
{
	p->aside = mem_realloc_array(p->aside, (size_t)p->aside_count + 1, sizeof(*p->aside));
	p->aside[p->aside_count++] = mem_strdup(name);
}

static void take_finding(void *arg, const struct inspect_finding *f)
{
	struct doctor *d = arg;

	if (f->remedy == INSPECT_ASIDE)
		add_aside(d->partition, f->file);
	doctor_tell(d, f);
}

static void tick(void *arg, int64_t bytes, int64_t records)
{
	struct doctor *d = arg;

	log_progress_tick(&d->progress, bytes, records);
}

static enum doctor_plan plan_of(const struct inspect_result *r, int asides)
{
	if (r->damage == 0)
		return PLAN_NOTHING;
	if (r->inside > 0 || r->is_unreadable || (r->old_format >= 0 && r->wants_recovery) || (!r->wants_recovery && asides == 0))
		return PLAN_REFUSE;
	return r->wants_recovery ? PLAN_RECOVER : PLAN_NOTHING;
}

static void look_at(struct doctor *d, struct doctor_partition *p)
{
	struct inspect_spec spec = { .os = os_real(), .dir = p->path, .stream = d->stream, .was_clean = d->dir->was_clean, .each = take_finding, .tick = tick,
				     .arg = d };

	for (int i = 0; i < p->aside_count; i++)
		free(p->aside[i]);
	p->aside_count = 0;
	d->partition = p;
	inspect_partition(&spec, &p->result);
	log_progress_done(&d->progress, p->result.bytes, p->result.records);
	p->plan = plan_of(&p->result, p->aside_count);
	compare_checkpoints(d, p);
	d->partition = NULL;
}

static void add_partition(struct doctor_dir *dir, const struct logdir_entry *e)
{
	struct strbuf path = STRBUF_INIT;

	if (dir->count == dir->room) {
		dir->room = MAX(64, 2 * dir->room);
		dir->partitions = mem_realloc_array(dir->partitions, (size_t)dir->room, sizeof(*dir->partitions));
	}
	strbuf_printf(&path, "%s/%s", dir->path, e->name);
	dir->partitions[dir->count++] = (struct doctor_partition){ .at = *e, .path = strbuf_steal(&path) };
}

/* ---- names ---- */

static bool is_known_file(const char *name)
{
	static const char *const names[] = { LOGDIR_LOCK_FILE, LOGDIR_CLEAN_FILE, "meta.properties" };
	bool is_known = strncmp(name, ".skein-", 7) == 0;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		is_known |= strcmp(name, names[i]) == 0;
	for (enum logdir_checkpoint kind = 0; kind < LOGDIR_CHECKPOINTS; kind++)
		is_known |= strcmp(name, logdir_checkpoint_name(kind)) == 0;
	return is_known;
}

static void take_dir(struct doctor *d, const char *name)
{
	struct logdir_entry e;

	if (strcmp(name, "remote-log-index-cache") == 0 || strncmp(name, "__cluster_metadata-", 19) == 0 || strcmp(name, "lost+found") == 0) {
		if (name[0] == 'l')
			DOCTOR_SAY(d, .weight = INSPECT_DAMAGE, .file = name, .what = "not a partition's directory",
				   .then = "no broker starts; use a directory below the mount point");
		return;
	}
	if (!logdir_parse_name(name, &e))
		DOCTOR_SAY(d, .weight = INSPECT_DAMAGE, .file = name, .what = "the name is not that of a partition, TOPIC-NUMBER",
			   .then = "no broker starts until it is moved away");
	else if (e.kind == LOGDIR_DELETED)
		DOCTOR_SAY(d, .weight = INSPECT_NOTE, .file = name, .what = "of a topic that was deleted", .then = "the broker removes it");
	else if (e.kind == LOGDIR_STRAY)
		DOCTOR_SAY(d, .weight = INSPECT_NOTE, .file = name, .what = "set aside: nobody was known to own it", .then = "no broker reads or removes it");
	else
		add_partition(d->dir, &e);
}

static void take_name(void *arg, const char *name, bool is_dir)
{
	struct doctor *d = arg;
	size_t len = strlen(name);

	if (is_dir)
		take_dir(d, name);
	else if (len > 4 && strcmp(name + len - 4, ".tmp") == 0)
		DOCTOR_SAY(d, .weight = INSPECT_NOTE, .file = name, .what = "of a file that was being written", .then = "the next writing replaces it");
	else if (!is_known_file(name))
		DOCTOR_SAY(d, .weight = INSPECT_NOTE, .file = name, .what = "not one of Kafka's files", .then = "no broker looks at it");
}

static void count_topics(struct doctor_dir *dir)
{
	for (int i = 0; i < dir->count; i++) {
		dir->topics += i == 0 || strcmp(dir->partitions[i].at.topic, dir->partitions[i - 1].at.topic) != 0;
		dir->bytes += dir->partitions[i].result.bytes;
	}
}

static int by_topic(const void *a, const void *b)
{
	const struct doctor_partition *x = a, *y = b;
	int order = strcmp(x->at.topic, y->at.topic);

	return order != 0 ? order : (x->at.partition > y->at.partition) - (x->at.partition < y->at.partition);
}

void doctor_look(struct doctor *d)
{
	look_at_identity(d);
	for (enum logdir_checkpoint kind = 0; kind < LOGDIR_CHECKPOINTS; kind++)
		read_checkpoint(d, kind);
	enum err e = os_list_dir(os_real(), d->dir->path, take_name, d);
	if (e != OK)
		DOCTOR_SAY(d, .weight = INSPECT_DAMAGE, .what = err_text(e));
	if (d->dir->count > 0)
		qsort(d->dir->partitions, (size_t)d->dir->count, sizeof(*d->dir->partitions), by_topic);
	for (int i = 0; i < d->dir->count; i++)
		log_progress_add(&d->progress, d->dir->partitions[i].path);
	for (int i = 0; i < d->dir->count; i++)
		look_at(d, &d->dir->partitions[i]);
	count_topics(d->dir);
}

/* ---- one with another ---- */

static void compare_identities(struct doctor *d)
{
	const struct doctor_dir *first = NULL;
	char error[LOGDIR_ERROR_MAX];

	for (int i = 0; i < d->count; i++) {
		d->dir = &d->dirs[i];
		if (!d->dir->has_meta)
			continue;
		if (first != NULL && !logdir_is_of(d->dir->path, &d->dir->meta, first->meta.broker_id, first->meta.cluster_id, error))
			DOCTOR_SAY(d, .weight = INSPECT_DAMAGE, .file = "meta.properties", .what = "the directories are not of one broker", .then = error);
		if (first == NULL)
			first = d->dir;
	}
}

struct place {
	struct doctor_dir       *dir;
	struct doctor_partition *p;
};

static int by_partition(const void *a, const void *b)
{
	return by_topic(((const struct place *)a)->p, ((const struct place *)b)->p);
}

static void compare_two(struct doctor *d, const struct place *a, const struct place *b)
{
	struct uuid x, y;
	char what[4400];

	d->dir = b->dir;
	if (by_topic(a->p, b->p) == 0 && a->p->at.kind == LOGDIR_PARTITION && b->p->at.kind == LOGDIR_PARTITION) {
		bool is_swap = log_has_swap_note(os_real(), a->p->path) != log_has_swap_note(os_real(), b->p->path);

		snprintf(what, sizeof(what), "the partition is in %s as well, up to offset %lld; here up to %lld", a->dir->path, (long long)a->p->result.next_offset,
			 (long long)b->p->result.next_offset);
		DOCTOR_SAY(d, .weight = is_swap ? INSPECT_NOTE : INSPECT_DAMAGE, .file = b->p->at.name, .what = what,
			   .then = is_swap ? "a move was cut short; the broker settles it when it starts" : "no broker starts until one of them is moved away");
	}
	if (strcmp(a->p->at.topic, b->p->at.topic) == 0 && partition_metadata_read(&x, os_real(), a->p->path) == OK &&
	    partition_metadata_read(&y, os_real(), b->p->path) == OK && !uuid_eq(x, y))
		DOCTOR_SAY(d, .weight = INSPECT_DAMAGE, .file = b->p->at.name, .what = "its topic id is not that of the topic's other partitions",
			   .then = "one of them is of an earlier topic with this name, and is not served");
}

void doctor_compare_dirs(struct doctor *d)
{
	struct place *all;
	int n = 0;

	compare_identities(d);
	for (int i = 0; i < d->count; i++)
		n += d->dirs[i].count;
	all = mem_calloc((size_t)MAX(n, 1), sizeof(*all));
	n = 0;
	for (int i = 0; i < d->count; i++) {
		for (int k = 0; k < d->dirs[i].count; k++)
			all[n++] = (struct place){ &d->dirs[i], &d->dirs[i].partitions[k] };
	}
	if (n > 0)
		qsort(all, (size_t)n, sizeof(*all), by_partition);
	for (int i = 1; i < n; i++)
		compare_two(d, &all[i - 1], &all[i]);
	free(all);
}
