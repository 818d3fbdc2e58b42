/*
 * What the verbs of skein log share: what is asked for, which file is what, how batches and records look.
 * No broker is asked, and no file is written. Files may change while they are read (a broker serves them): what was read is shown.
 */
#ifndef SKEIN_TOOL_LOG_H
#define SKEIN_TOOL_LOG_H

#include "base/strbuf.h"
#include "decode.h"
#include "progress.h"
#include "record/record.h"
#include "storage/segment_walk.h"

enum log_output { LOG_TEXT, LOG_JSON, LOG_NDJSON };

struct log_options {
	enum log_output  output;
	bool             records, with_damaged, committed, notes;
	int64_t          from, to;		/* offsets, both inclusive */
	enum decode_kind decode;
	bool             has_offset, has_time;	/* find */
	int64_t          offset, time;
	struct slice     key;			/* find; null: not asked for */
};

int log_dump(const struct log_options *o, char **paths, int n);
int log_verify(const struct log_options *o, char **paths, int n);
int log_find(const struct log_options *o, char **paths, int n);

/* ---- files ---- */

enum log_file_kind { FILE_UNKNOWN, FILE_LOG, FILE_INDEX, FILE_TIMEINDEX, FILE_TXNINDEX, FILE_SNAPSHOT, FILE_LEADER_EPOCHS, FILE_CHECKPOINT, FILE_PARTITION_METADATA,
		     FILE_META_PROPERTIES };

struct log_file_name {
	enum log_file_kind kind;
	int64_t            base_offset;		/* of what is named by an offset; else -1 */
	char               topic[256];		/* of the directory that it lies in; "" when that is no partition's */
	int32_t            partition;		/* -1 */
};

/* What a file is, by its name and that of its directory; a suffix .deleted, .cleaned or .swap changes nothing. */
void log_file_name(const char *path, struct log_file_name *out);

/* Anything but a segment's .log. Appends lines of text, an object (json), or lines of objects (ndjson). False: it is damaged, and the text says where;
 * *e: it cannot be read. */
bool log_dump_small(const struct log_options *o, const char *path, const struct log_file_name *name, struct strbuf *out, enum err *e) MUST_CHECK;

/* The directories of partitions that a path stands for: itself, or those in it. False after saying why there is none, *code set. */
struct log_dirs {
	char **paths;
	int    count, room;
};
bool log_dirs_of(const char *path, struct log_dirs *out, int *code) MUST_CHECK;
void log_dirs_fini(struct log_dirs *d);

/* ---- findings ---- */

struct inspect_finding;
void log_add_finding(struct strbuf *out, const char *dir, const struct inspect_finding *f);	/* a line, without its end */
void log_json_finding(struct strbuf *out, const char *dir, const struct inspect_finding *f);	/* an object */

/* ---- how far ---- */

/* Over partitions that are inspected one after the other; drawn at a terminal only. */
struct log_progress {
	struct progress bar;
	int64_t         total, bytes, records;	/* of those that are done */
};
void log_progress_add(struct log_progress *p, const char *dir);		/* one more is to come; before the first tick */
void log_progress_tick(struct log_progress *p, int64_t bytes, int64_t records);
void log_progress_done(struct log_progress *p, int64_t bytes, int64_t records);	/* with one */

/* ---- looks ---- */

void log_add_time(struct strbuf *out, time_ms t);			/* 2023-11-14T22:13:20.000Z; "none" for -1 */
void log_add_escaped(struct strbuf *out, struct slice s);		/* nothing that a terminal obeys: what is not printable ASCII as \xHH */
void log_add_bytes(struct strbuf *out, struct slice s, size_t max);	/* "text" with escapes as produce takes them, cut behind max bytes; null */
void log_add_batch(struct strbuf *out, const struct walk_step *step);	/* a line's rest: offsets, epoch, times, ... */
/* A record's line, and its object: what skein consume prints and skein produce takes, with what it says where that is asked for ("decoded"). Neither ends the line. */
void log_add_record(struct strbuf *out, const struct record *r, enum decode_kind decode);
void log_json_record(struct strbuf *out, const struct log_file_name *name, const struct record *r, enum decode_kind decode);
/* Members of an object, without braces. */
void log_json_batch(struct strbuf *out, const struct walk_step *step);
const char *log_codec_name(const uint8_t *header);			/* "none", "gzip", ...; "unknown" */

#endif
