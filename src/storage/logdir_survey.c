/*
 * The format of a segment is that of its first batch. What stands behind it may only be newer, but after a downgrade of a cluster that nobody should have survived; recovery and reading
 * refuse such a batch where they meet it.
 */
#include "storage/logdir_survey.h"

#include <stdio.h>

#include "record/batch.h"
#include "storage/partition_metadata.h"

#define PATH_SIZE (1024 + 2 * (LOGDIR_NAME_MAX + 2))

struct survey {
	struct os        *os;
	const char       *path;
	enum survey_depth depth;
	void            (*each)(void *arg, const struct survey_partition *p);
	void             *arg;
	struct survey_partition p;
	char              dir[PATH_SIZE];
	bool              has_seen_segment;
};

static bool is_segment(const char *name)
{
	size_t len = strlen(name);

	return len == 24 && strspn(name, "0123456789") == 20 && strcmp(name + 20, ".log") == 0;
}

/* 0 or 1; -1: of today's format, empty, not to be read, or damaged. */
static int old_format(struct os *os, const char *path)
{
	uint8_t head[BATCH_PREFIX_SIZE];
	size_t got = 0;
	os_fd fd;

	if (os_open(os, path, OS_RDONLY, &fd) != OK)
		return -1;
	enum err e = os_pread(os, fd, head, sizeof(head), 0, &got);
	os_close(os, &fd);
	if (e != OK || got < sizeof(head) || batch_length(head) < BATCH_LENGTH_MIN)
		return -1;
	return batch_magic(head) == 0 || batch_magic(head) == 1 ? batch_magic(head) : -1;
}

/* Names come in byte order, which is the order of offsets. */
static void take_file(void *arg, const char *name, bool is_dir)
{
	struct survey *s = arg;
	char path[2 * PATH_SIZE];

	if (is_dir || !is_segment(name) || s->p.old_format >= 0 || (s->depth == SURVEY_FIRST_SEGMENT && s->has_seen_segment))
		return;
	s->has_seen_segment = true;
	snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	s->p.old_format = old_format(s->os, path);
	if (s->p.old_format >= 0)
		snprintf(s->p.segment, sizeof(s->p.segment), "%s", name);
}

static void take_partition(void *arg, const struct logdir_entry *e)
{
	struct survey *s = arg;

	if (e->kind == LOGDIR_DELETED || e->kind == LOGDIR_STRAY)
		return;
	s->p = (struct survey_partition){ .at = *e, .old_format = -1, .id_result = ERR_NOT_FOUND };
	s->has_seen_segment = false;
	snprintf(s->dir, sizeof(s->dir), "%s/%s", s->path, e->name);
	if (os_list_dir(s->os, s->dir, take_file, s) != OK)
		return;
	if (s->depth == SURVEY_WHOLE)
		s->p.id_result = partition_metadata_read(&s->p.topic_id, s->os, s->dir);
	s->each(s->arg, &s->p);
}

enum err logdir_survey(struct os *os, const char *path, enum survey_depth depth, void (*each)(void *arg, const struct survey_partition *p), void *arg,
                       char error[LOGDIR_ERROR_MAX])
{
	struct survey s = { .os = os, .path = path, .depth = depth, .each = each, .arg = arg };

	return logdir_scan_path(os, path, take_partition, &s, error);
}

void survey_old_format_text(const char *path, const struct survey_partition *p, char *out, size_t size)
{
	snprintf(out, size, "topic %s has records of message format %d, which skein does not read (%s/%s/%s)", p->at.topic, p->old_format, path, p->at.name,
	         p->segment);
}
