/*
 * What lies in a log directory, looked at from outside: nothing is locked, opened for writing or changed, so a broker may be running on it.
 *
 * Threads: any; it waits for the device.
 * Errors:  what cannot be read of a partition is left out of its facts: who serves it will meet that, and says so.
 */
#ifndef SKEIN_STORAGE_LOGDIR_SURVEY_H
#define SKEIN_STORAGE_LOGDIR_SURVEY_H

#include "storage/logdir.h"

enum survey_depth {
	SURVEY_FIRST_SEGMENT,	/* of each partition, its first batch: formats rise along a log, unless somebody has lowered message.format.version */
	SURVEY_WHOLE,		/* the head of every batch of every segment, and the topic's id */
};

struct survey_partition {
	struct logdir_entry at;
	int      old_format;			/* of a batch, 0 or 1: neither is served. -1: none has such */
	char     segment[LOGDIR_NAME_MAX + 1];	/* the first that has it */
	int      unread_segments;		/* of these the first batch alone was looked at: time was up */
	enum err result;			/* OK; why the directory or a segment cannot be read */
	enum err id_result;			/* of topic_id: OK, ERR_NOT_FOUND, ERR_CORRUPT, ... ; ERR_NOT_FOUND without SURVEY_WHOLE */
	struct uuid topic_id;
};

/*
 * Every partition directory but those that are to be deleted or were set aside, in byte order of names. scan_ms: how long batches behind the first of their segment may be looked at, for all
 * of them together. Errors as logdir_scan's.
 */
enum err logdir_survey(struct os *os, const char *path, enum survey_depth depth, mono_ms scan_ms, void (*each)(void *arg, const struct survey_partition *p),
                       void *arg, char error[LOGDIR_ERROR_MAX]) MUST_CHECK;

/* The sentence about a partition with an old format, for whoever refuses it. */
void survey_old_format_text(const char *path, const struct survey_partition *p, char *out, size_t size);
#define SURVEY_OLD_FORMAT_REMEDY "let retention remove these segments, or delete their records (kafka-delete-records), or copy the topic to a new one"

#endif
