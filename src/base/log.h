/*
 * The broker's log: events declared once (log_events.def: name, level, meaning), written as one
 * line with typed fields.
 *
 *	12:04:11.482 INFO partition orders/3 role_changed role=leader leader_epoch=7
 *
 * Threads: any; no locks, no allocation. A line is formatted on the calling thread's stack and
 *          handed to the sink (os/log_writer: a thread that writes to stderr or a file). When the
 *          sink cannot keep up, lines are dropped and counted: the one place that may.
 * Repeats: an event that comes again within a second for the same subject and the same topic,
 *          partition, path, replica, broker, leader, config or problem among its fields is counted rather than
 *          printed; the next line that is printed for it says repeated=N, and when none comes a line
 *          without fields does (log_tell_repeats). DEBUG is exempt (who turns it on wants each
 *          request). Needs a clock.
 * Values:  quoted when they hold a space, a quote or '='; control characters and bytes that are no
 *          UTF-8 are written \xNN, so that no client can forge a line or drive a terminal. Secrets
 *          never come here: that is the callers' duty.
 * Time:    UTC, so that the lines of several brokers compare.
 */
#ifndef SKEIN_LOG_H
#define SKEIN_LOG_H

#include "base/err.h"
#include "base/slice.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

#include "base/log_events.def"
enum log_event {
#define X(name, level, meaning) EV_##name,
	LOG_EVENT_TABLE(X)
#undef X
	EV_COUNT
};
enum {		/* the level each event was declared with: a macro of another level does not compile */
#define X(name, level, meaning) EV_LEVEL_##name = LOG_LEVEL_##level,
	LOG_EVENT_TABLE(X)
#undef X
};

/* Who speaks: embedded in the actor's struct. The subject ("orders/3", "127.0.0.1:41234") is copied, cut at its size. */
struct log_source {
	const char *module;		/* "partition", "net" */
	char        subject[64];
};

enum log_kind { LOG_KIND_END, LOG_KIND_STR, LOG_KIND_SLICE, LOG_KIND_I64, LOG_KIND_ERR, LOG_KIND_ERRNO, LOG_KIND_BOOL };
struct log_field {
	const char   *key;
	enum log_kind kind;
	union { const char *str; struct slice slice; int64_t i64; } v;
};

#define KV_STR(k, x)   ((struct log_field){ (k), LOG_KIND_STR,   { .str = (x) } })
#define KV_SLICE(k, x) ((struct log_field){ (k), LOG_KIND_SLICE, { .slice = (x) } })
#define KV_I32(k, x)   ((struct log_field){ (k), LOG_KIND_I64,   { .i64 = (x) } })
#define KV_I64(k, x)   ((struct log_field){ (k), LOG_KIND_I64,   { .i64 = (x) } })
#define KV_BOOL(k, x)  ((struct log_field){ (k), LOG_KIND_BOOL,  { .i64 = (x) } })
#define KV_ERR(x)      ((struct log_field){ "error", LOG_KIND_ERR, { .i64 = (x) } })	/* enum err, as text */
#define KV_ERRNO(x)    ((struct log_field){ "errno", LOG_KIND_ERRNO, { .i64 = (x) } })	/* as its name: errno=ENOSPC */

#define LOG_LINE_MAX   1024	/* bytes with '\n'; a longer line ends in "..." */
#define LOG_RECORD_MAX 2560	/* the same of LOG_FORMAT_JOURNAL, which says all twice */

/* The macro's level must agree with the table's. */
#define LOG_AT(src, level, event, ...) do { \
	_Static_assert((int)EV_LEVEL_##event == (int)(level), #event " is declared with another level"); \
	if (log_is_on(level)) \
		log_emit((src), (level), EV_##event, \
			 (const struct log_field[]){ __VA_ARGS__ __VA_OPT__(,) { .kind = LOG_KIND_END } }); \
} while (0)
#define LOG_DEBUG(src, event, ...) LOG_AT(src, LOG_LEVEL_DEBUG, event, __VA_ARGS__)
#define LOG_INFO(src, event, ...)  LOG_AT(src, LOG_LEVEL_INFO,  event, __VA_ARGS__)
#define LOG_WARN(src, event, ...)  LOG_AT(src, LOG_LEVEL_WARN,  event, __VA_ARGS__)
#define LOG_ERROR(src, event, ...) LOG_AT(src, LOG_LEVEL_ERROR, event, __VA_ARGS__)

void log_source_init(struct log_source *s, const char *module, const char *subject_fmt, ...) PRINTF(3, 4);

/*
 * Levels: each module that speaks is a logger, and follows the root's level unless it was given one of its own. A source
 * whose module is not in the table follows the root. ERROR cannot be turned off. Any thread.
 */
#define LOG_MODULE_TABLE(X) \
	X(api) X(broker) X(client) X(controller) X(coord) X(group) X(http) X(net) X(os) X(partition) X(replica) \
	X(security) X(storage) X(txn)
enum {
	LOGGER_ROOT,
#define X(module) LOGGER_##module,
	LOG_MODULE_TABLE(X)
#undef X
	LOGGER_COUNT
};
void log_logger_set(int logger, enum log_level level);
void log_logger_clear(int logger);		/* back to the root's; not for the root */
enum log_level log_logger_level(int logger);	/* what holds */
const char *log_logger_name(int logger);	/* "root", "api" */
void log_set_level(enum log_level level);	/* of the root */
/*
 * Levels as one text: "INFO,partition=DEBUG,net=WARN"; without a name it is the root's. Names of levels are Kafka's: TRACE is DEBUG, and FATAL is ERROR, which cannot be turned
 * off. log_levels_set gives the loggers that are not named back to the root, and a root that is not named INFO; a text that is not valid changes nothing.
 */
bool log_level_parse(struct slice name, enum log_level *level);
int  log_logger_find(struct slice name);	/* -1: there is none */
bool log_levels_are_valid(struct slice text);
void log_levels_set(struct slice text);
bool log_is_on(enum log_level level);		/* for anybody: spares the caller the line's fields */
bool log_passes(const struct log_source *s, enum log_level level);	/* for this one: log_emit asks */

/* The forms of a line: for people (as at the top of this file); for programs, fields only: time (RFC 3339), level, module, subject, event, those of the event, repeated. At
 * start, before there are other threads. */
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON,
	LOG_FORMAT_JOURNAL };	/* several lines KEY=value, as journald takes them: the text without its time is MESSAGE, a field is SKEIN_NAME */
void log_set_format(enum log_format f);

void log_emit(const struct log_source *s, enum log_level level, enum log_event e, const struct log_field *fields);
/* Where finished lines go (with '\n'); called on the emitting thread. NULL: stderr, written directly. */
void log_set_sink(void (*sink)(void *arg, enum log_level level, const char *line, size_t len), void *arg);
/* Gives the clock that stamps lines; without it lines carry no time. */
void log_set_clock(time_ms (*now)(void *arg), void *arg);
/* Tells of repeats that no later line has told: those of more than LOG_TAIL_MS ago, or all. Returns in how many milliseconds there may be more; -1: none so far. Any thread. */
#define LOG_TAIL_MS 1200
time_ms log_tell_repeats(bool all);
const char *log_event_name(enum log_event e);
const char *log_event_meaning(enum log_event e);
enum log_level log_event_level(enum log_event e);	/* declared */
uint64_t    log_event_count(enum log_event e);	/* since start, printed or repeated; not those below the level */

#endif
