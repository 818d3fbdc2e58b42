/*
 * Formats rise along a log as a cluster is upgraded; where message.format.version was lowered, old ones stand behind new ones, in one segment too. Each batch says its format at the same
 * place, and how long it is, so a log is looked through without being read. Recovery and reading refuse such a batch where they meet it.
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
	mono_ms           deadline;
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

/*
 * Steps from head to head, as far as each says where the next one is. 0 or 1: a batch is of that format; -1: none up to the end, or up to what is damaged or torn. Small batches come many with
 * a read, of large ones the rest is not read.
 */
static int find_old_format(struct survey *s, os_fd fd)
{
	uint8_t chunk[4096];
	size_t got, at;

	for (uint64_t pos = 0; ; pos += at) {
		enum err e = os_pread(s->os, fd, chunk, sizeof(chunk), pos, &got);

		s->p.result = s->p.result == OK ? e : s->p.result;
		if (e != OK || got < BATCH_PREFIX_SIZE)
			return -1;
		for (at = 0; at + BATCH_PREFIX_SIZE <= got; at += BATCH_LOG_OVERHEAD + batch_length(chunk + at)) {
			if (batch_length(chunk + at) < BATCH_LENGTH_MIN)
				return -1;
			if (batch_magic(chunk + at) == 0 || batch_magic(chunk + at) == 1)
				return batch_magic(chunk + at);
			if (s->depth != SURVEY_WHOLE)
				return -1;
			if (os_mono_ms(s->os) >= s->deadline) {
				s->p.unread_segments++;
				return -1;
			}
		}
	}
}

/* Names come in byte order, which is the order of offsets. */
static void take_file(void *arg, const char *name, bool is_dir)
{
	struct survey *s = arg;
	char path[2 * PATH_SIZE];
	os_fd fd;

	if (is_dir || !is_segment(name) || s->p.old_format >= 0 || (s->depth == SURVEY_FIRST_SEGMENT && s->has_seen_segment))
		return;
	s->has_seen_segment = true;
	snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	enum err e = os_open(s->os, path, OS_RDONLY, &fd);
	if (e != OK) {
		s->p.result = s->p.result == OK && e != ERR_NOT_FOUND ? e : s->p.result;
		return;
	}
	s->p.old_format = find_old_format(s, fd);
	os_close(s->os, &fd);
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
	enum err listed = os_list_dir(s->os, s->dir, take_file, s);
	if (listed == ERR_NOT_FOUND)
		return;		/* gone meanwhile */
	if (listed != OK)
		s->p.result = listed;
	else if (s->depth == SURVEY_WHOLE)
		s->p.id_result = partition_metadata_read(&s->p.topic_id, s->os, s->dir);
	s->each(s->arg, &s->p);
}

enum err logdir_survey(struct os *os, const char *path, enum survey_depth depth, mono_ms scan_ms, void (*each)(void *arg, const struct survey_partition *p),
                       void *arg, char error[LOGDIR_ERROR_MAX])
{
	struct survey s = { .os = os, .path = path, .depth = depth, .deadline = os_mono_ms(os) + scan_ms, .each = each, .arg = arg };

	return logdir_scan_path(os, path, take_partition, &s, error);
}

void survey_old_format_text(const char *path, const struct survey_partition *p, char *out, size_t size)
{
	snprintf(out, size, "topic %s has records of message format %d, which skein does not read (%s/%s/%s)", p->at.topic, p->old_format, path, p->at.name,
	         p->segment);
}
