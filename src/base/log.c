/*
 * Counters per event, the counting of repeats, and the way out. log_line.c writes the lines.
 *
 * Repeats are recognised in a small table without locks. A slot belongs to the (event, subject,
 * named thing) that printed last; whoever moves the slot's time with a compare-and-swap prints, everybody else
 * within the second counts. Two subjects whose hashes share a slot push each other out: then a line
 * too many is printed, never one too few.
 *
 * The last repeats of a series have no line behind them that could say how many they were. So a slot
 * remembers who spoke, and log_tell_repeats, which the writer's thread calls when it has nothing
 * else to do, writes what is left; so does whoever pushes out a slot. Two who take a slot at once
 * may mix up a subject.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log_line.h"

static const struct {
	const char    *name, *meaning;
	enum log_level level;
} events[EV_COUNT] = {
#define X(name, level, meaning) [EV_##name] = { #name, meaning, LOG_LEVEL_##level },
	LOG_EVENT_TABLE(X)
#undef X
};

static const char *const level_names[] = { "DEBUG", "INFO", "WARN", "ERROR" };

static uint64_t counts[EV_COUNT];

/* Set at start, before there are other threads. */
static void   (*sink)(void *arg, enum log_level level, const char *line, size_t len);
static void    *sink_arg;
static time_ms (*clock_now)(void *arg);
static void    *clock_arg;
static enum log_format format;

#define REPEAT_SLOTS 256
#define REPEAT_MS    1000
static struct repeat {
	uint64_t key;		/* hash of event, module, subject and what is named; 0 = free */
	time_ms  printed;
	uint64_t unprinted;
	const char *module;
	uint32_t event, level;
	uint64_t subject[sizeof(((struct log_source *)NULL)->subject) / sizeof(uint64_t)];
} repeats[REPEAT_SLOTS];

void log_set_sink(void (*to)(void *arg, enum log_level level, const char *line, size_t len), void *arg)
{
	sink = to;
	sink_arg = arg;
}

void log_set_clock(time_ms (*now)(void *arg), void *arg)
{
	clock_now = now;
	clock_arg = arg;
	memset(repeats, 0, sizeof(repeats));	/* their times are of the other clock */
}

void log_set_format(enum log_format f)
{
	format = f;
}

void log_source_init(struct log_source *s, const char *module, const char *subject_fmt, ...)
{
	va_list ap;

	s->module = module;
	va_start(ap, subject_fmt);
	vsnprintf(s->subject, sizeof(s->subject), subject_fmt, ap);
	va_end(ap);
}

const char *log_event_name(enum log_event e)
{
	ASSERT((unsigned)e < EV_COUNT);
	return events[e].name;
}

const char *log_event_meaning(enum log_event e)
{
	ASSERT((unsigned)e < EV_COUNT);
	return events[e].meaning;
}

enum log_level log_event_level(enum log_event e)
{
	ASSERT((unsigned)e < EV_COUNT);
	return events[e].level;
}

uint64_t log_event_count(enum log_event e)
{
	ASSERT((unsigned)e < EV_COUNT);
	return __atomic_load_n(&counts[e], __ATOMIC_RELAXED);
}

/* --- repeats ---------------------------------------------------------------------------------- */

/* Fields that say what a line is about: with another topic it is another line, however soon it comes. */
static const char *const named[] = { "topic", "partition", "path", "replica", "broker", "leader", "config", "problem" };

static uint64_t hash_bytes(uint64_t h, const void *data, size_t len)		/* FNV-1a */
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ ((const uint8_t *)data)[i]) * 0x100000001b3;
	return (h ^ '/') * 0x100000001b3;
}

static uint64_t hash_field(uint64_t h, const struct log_field *f)
{
	if (f->kind == LOG_KIND_STR)
		return hash_bytes(h, f->v.str, strlen(f->v.str));
	if (f->kind == LOG_KIND_SLICE)
		return hash_bytes(h, f->v.slice.ptr, f->v.slice.len);
	return f->kind == LOG_KIND_I64 ? hash_bytes(h, &f->v.i64, sizeof(f->v.i64)) : h;
}

static uint64_t repeat_key(const struct log_source *s, enum log_event e, const struct log_field *fields)
{
	uint64_t h = 0xcbf29ce484222325 ^ (uint64_t)e;

	h = hash_bytes(h, s->module, strlen(s->module));
	h = hash_bytes(h, s->subject, strlen(s->subject));
	for (const struct log_field *f = fields; f->kind != LOG_KIND_END; f++)
		for (size_t i = 0; i < ARRAY_LEN(named); i++)
			if (strcmp(f->key, named[i]) == 0)
				h = hash_field(h, f);
	h ^= h >> 32;						/* its low bits alone are weak, and choose the slot */
	return h != 0 ? h : 1;
}

/* --- the way out ------------------------------------------------------------------------------ */

static void line_out(struct log_line *l, enum log_level level)
{
	l->text[l->len++] = '\n';
	if (sink != NULL)
		sink(sink_arg, level, l->text, l->len);
	else
		fwrite(l->text, 1, l->len, stderr);
}

static void remember(struct repeat *r, const struct log_source *s, enum log_level level, enum log_event e)
{
	uint64_t subject[ARRAY_LEN(r->subject)];

	memcpy(subject, s->subject, sizeof(subject));
	__atomic_store_n(&r->module, s->module, __ATOMIC_RELAXED);
	__atomic_store_n(&r->event, (uint32_t)e, __ATOMIC_RELAXED);
	__atomic_store_n(&r->level, (uint32_t)level, __ATOMIC_RELAXED);
	for (size_t i = 0; i < ARRAY_LEN(subject); i++)
		__atomic_store_n(&r->subject[i], subject[i], __ATOMIC_RELAXED);
}

/* What was counted and not printed yet. True: there was something. */
static bool tell_rest(struct repeat *r, time_ms now)
{
	static const struct log_field none[] = { { .kind = LOG_KIND_END } };
	uint64_t subject[ARRAY_LEN(r->subject)], n = __atomic_exchange_n(&r->unprinted, 0, __ATOMIC_RELAXED);
	struct log_source source = { .module = __atomic_load_n(&r->module, __ATOMIC_RELAXED) };
	uint32_t level = __atomic_load_n(&r->level, __ATOMIC_RELAXED);
	struct log_line l;

	if (n == 0 || source.module == NULL)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(subject); i++)
		subject[i] = __atomic_load_n(&r->subject[i], __ATOMIC_RELAXED);
	memcpy(source.subject, subject, sizeof(subject));
	source.subject[sizeof(source.subject) - 1] = 0;
	struct log_said said = {
		.source = &source, .level = level_names[level], .event = events[__atomic_load_n(&r->event, __ATOMIC_RELAXED)].name, .fields = none, .now = now, .unprinted = n,
	};

	log_line_write(&l, format, &said);
	line_out(&l, (enum log_level)level);
	return true;
}

/* True: print, and say how many were not printed before. */
static bool repeat_admits(uint64_t key, const struct log_source *s, enum log_level level, enum log_event e, time_ms now, uint64_t *unprinted)
{
	struct repeat *r = &repeats[key % REPEAT_SLOTS];
	bool is_ours = __atomic_load_n(&r->key, __ATOMIC_ACQUIRE) == key;
	time_ms printed = __atomic_load_n(&r->printed, __ATOMIC_RELAXED);

	*unprinted = 0;
	if (!is_ours) {
		tell_rest(r, now);
		remember(r, s, level, e);
		__atomic_store_n(&r->printed, now, __ATOMIC_RELAXED);
		__atomic_store_n(&r->key, key, __ATOMIC_RELEASE);
		return true;
	}
	bool is_recent = now >= printed && now - printed < REPEAT_MS;	/* a wall clock may have been set back */
	if (is_recent || !__atomic_compare_exchange_n(&r->printed, &printed, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
		__atomic_fetch_add(&r->unprinted, 1, __ATOMIC_RELAXED);
		return false;
	}
	*unprinted = __atomic_exchange_n(&r->unprinted, 0, __ATOMIC_RELAXED);
	return true;
}

void log_emit(const struct log_source *s, enum log_level level, enum log_event e, const struct log_field *fields)
{
	struct log_line l;
	struct log_said said = {
		.source = s, .level = level_names[level], .event = events[e].name, .fields = fields, .now = clock_now != NULL ? clock_now(clock_arg) : -1,
	};

	ASSERT((unsigned)e < EV_COUNT);
	if (!log_passes(s, level))
		return;
	__atomic_fetch_add(&counts[e], 1, __ATOMIC_RELAXED);
	if (said.now >= 0 && level != LOG_LEVEL_DEBUG && !repeat_admits(repeat_key(s, e, fields), s, level, e, said.now, &said.unprinted))
		return;
	log_line_write(&l, format, &said);
	line_out(&l, level);
}

time_ms log_tell_repeats(bool all)
{
	time_ms now = clock_now != NULL ? clock_now(clock_arg) : -1, next = -1;

	for (size_t i = 0; now >= 0 && i < REPEAT_SLOTS; i++) {
		struct repeat *r = &repeats[i];
		time_ms age = now - __atomic_load_n(&r->printed, __ATOMIC_RELAXED);

		if (__atomic_load_n(&r->key, __ATOMIC_ACQUIRE) == 0)
			continue;
		if (!all && age >= 0 && age < LOG_TAIL_MS) {
			next = next < 0 ? LOG_TAIL_MS - age : MIN(next, LOG_TAIL_MS - age);
		} else if (tell_rest(r, now)) {
			__atomic_store_n(&r->printed, now, __ATOMIC_RELAXED);
			next = next < 0 ? LOG_TAIL_MS : next;
		}
	}
	return next;
}
