/*
 * What the parts of skein produce share: reading and sending (produce.c), the fate of each line and what is said of it (produce_report.c).
 *
 * Lines are counted from 1 through all inputs; the tag of a record is the number of its line.
 */
#ifndef SKEIN_TOOL_PRODUCE_H
#define SKEIN_TOOL_PRODUCE_H

#include "client/producer.h"
#include "input.h"
#include "line_set.h"
#include "progress.h"
#include "resume.h"
#include "tool.h"

#define PRODUCE_HEADERS_MAX 64
#define PRODUCE_STOP_MS     5000	/* after a signal: so long what has been read may still be written */

enum input_form { INPUT_TEXT, INPUT_JSON, INPUT_NDJSON };

/* Records that have been read, and what has become of them is not known, or nothing has. */
struct left {
	int64_t count, first;		/* first: the number of its line */
};

struct produce {
	const char          *topic, *null_text;
	struct strbuf        separator;		/* empty: lines have no keys */
	struct strbuf        delimiter;		/* empty: a newline */
	struct record_header headers[PRODUCE_HEADERS_MAX];
	int                  header_count;
	int32_t              partition;
	bool                 repartitions, keeps_going;
	enum input_form      form;
	int64_t              skip_lines;
	int64_t              rate_count, rate_ms;	/* so many records in so many milliseconds; count 0: as fast as they go */
	struct producer_spec spec;
	struct client       *client;
	struct producer     *producer;

	/* the inputs, one after the other; "-" is stdin, as is none */
	char               **files;
	int                  file_count, file_at;
	struct input         input;
	int64_t             *file_begins;	/* by input: lines before it */
	int64_t              line;		/* the last one that was read, of all inputs */
	bool                 is_over;		/* all inputs have been read */
	bool                 is_file;		/* all of them are plain files, of total_bytes; so that there is more behind what was read */
	int64_t              total_bytes, closed_bytes;		/* closed: of the inputs that have been read */

	int64_t              sent, written, failed, skipped;
	mono_ms              rate_start;
	struct client_error  error;		/* the first failure's */
	mono_ms              stop_at;		/* 0: no signal has been seen */
	bool                 is_ending;		/* what fails now is unanswered */
	struct left          unsent, unanswered;
	struct line_set      lines;
	const char          *resume_path;	/* NULL */
	struct strbuf        resume_head;
	struct resume        resume;
	bool                 has_resume_file;
	mono_ms              resume_at;		/* when it is to be written next */
	struct progress      progress;
	int                  code;
};

/* ---- produce_report.c ---- */

/* tool_say, over the progress bar. */
void produce_say(struct produce *x, const char *fmt, ...) PRINTF(2, 3);
const char *produce_line_text(const struct produce *x, int64_t line, char out[300]);	/* "line 7", of several inputs "line 7 of b.txt"; out */
void produce_on_delivery(void *arg, const struct producer_delivery *d);
void produce_note_left(struct left *l, int64_t line);
/* A line for which there will be no record. */
void produce_line_failed(struct produce *x, int64_t line, int code, const char *why);
/* False: x->code says why. */
bool produce_begin_resume(struct produce *x);
/* What is to be done between records: the progress bar, the resume file. */
void produce_tick(struct produce *x);
/* There has been a signal, and the time that is left after one is over. */
bool produce_is_out_of_time(struct produce *x);
/* Ends the producer, and says what has become of everything; the exit code. */
int  produce_finish(struct produce *x);

#endif
