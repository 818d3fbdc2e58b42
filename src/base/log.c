/*
 * Formatting of log lines, counters per event, and the counting of repeats.
 *
 * Repeats are recognised in a small table without locks. A slot belongs to the (event, subject,
 * named thing) that printed last; whoever moves the slot's time with a compare-and-swap prints, everybody else
 * within the second counts. Two subjects whose hashes share a slot push each other out: then a line
 * too many is printed, never one too few.
 */
#include "base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

#define REPEAT_SLOTS 256
#define REPEAT_MS    1000
static struct repeat {
	uint64_t key;		/* hash of event, module, subject and what is named; 0 = free */
	time_ms  printed;
	uint64_t unprinted;
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

uint64_t log_event_count(enum log_event e)
{
	ASSERT((unsigned)e < EV_COUNT);
	return __atomic_load_n(&counts[e], __ATOMIC_RELAXED);
}

/* --- one line --------------------------------------------------------------------------------- */

struct line {
	char   text[LOG_LINE_MAX];
	size_t len;
	bool   is_cut;
};

#define LINE_TAIL 4		/* kept free for "...\n" */

static void put(struct line *l, const char *text, size_t len)
{
	size_t room = sizeof(l->text) - LINE_TAIL - l->len;

	if (len > room) {
		l->is_cut = true;
		len = 0;		/* pieces are small and whole: an escape is not cut in the middle */
	}
	if (l->is_cut)
		return;
	memcpy(l->text + l->len, text, len);
	l->len += len;
}

static void put_str(struct line *l, const char *text)
{
	put(l, text, strlen(text));
}

/* Length of the well-formed UTF-8 sequence at p that may be shown; 0 for controls (C1 too), strays, surrogates, overlong forms. */
static size_t printable_at(const uint8_t *p, size_t len)
{
	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f;
	size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n > len)
		return 0;
	uint32_t c = p[0] & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fU);
	}
	static const uint32_t least[] = { 0, 0, 0xa0, 0x800, 0x10000 };
	bool is_odd = c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff);
	return is_odd ? 0 : n;
}

static void put_escaped(struct line *l, struct slice s)
{
	for (size_t i = 0; i < s.len;) {
		uint8_t c = s.ptr[i];
		size_t n = printable_at(s.ptr + i, s.len - i);
		char esc[5];
		if (n != 0 && c != '"' && c != '\\') {
			put(l, (const char *)s.ptr + i, n);
			i += n;
			continue;
		}
		if (c == '"' || c == '\\')
			snprintf(esc, sizeof(esc), "\\%c", c);
		else if (c == '\n' || c == '\t' || c == '\r')
			snprintf(esc, sizeof(esc), "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
		else
			snprintf(esc, sizeof(esc), "\\x%02x", c);
		put_str(l, esc);
		i++;
	}
}

static bool wants_quotes(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] <= ' ' || s.ptr[i] == '"' || s.ptr[i] == '=' || s.ptr[i] == '\\' || s.ptr[i] == 0x7f)
			return true;
	return s.len == 0;
}

static void put_value(struct line *l, struct slice s)
{
	if (slice_is_null(s)) {
		put_str(l, "null");
		return;
	}
	const char *quote = wants_quotes(s) ? "\"" : "";
	put_str(l, quote);
	put_escaped(l, s);
	put_str(l, quote);
}

static void put_number(struct line *l, int64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, n);
	put_str(l, text);
}

static void put_errno(struct line *l, int64_t errnum)
{
	const char *name = strerrorname_np((int)errnum);

	if (name != NULL)
		put_str(l, name);
	else
		put_number(l, errnum);
}

static void put_field(struct line *l, const struct log_field *f)
{
	put_str(l, " ");
	put_str(l, f->key);
	put_str(l, "=");
	switch (f->kind) {
	case LOG_KIND_STR:   put_value(l, slice_str(f->v.str)); break;
	case LOG_KIND_SLICE: put_value(l, f->v.slice); break;
	case LOG_KIND_ERR:   put_value(l, slice_str(err_text((enum err)f->v.i64))); break;
	case LOG_KIND_BOOL:  put_str(l, f->v.i64 != 0 ? "true" : "false"); break;
	case LOG_KIND_I64:   put_number(l, f->v.i64); break;
	case LOG_KIND_ERRNO: put_errno(l, f->v.i64); break;
	case LOG_KIND_END:   ASSERT(false);
	}
}

static void put_time(struct line *l, time_ms now)
{
	char text[16];
	unsigned ms = (unsigned)(now % 86400000);	/* of the day */

	snprintf(text, sizeof(text), "%02u:%02u:%02u.%03u ", ms / 3600000 % 24, ms / 60000 % 60, ms / 1000 % 60, ms % 1000);
	put_str(l, text);
}

/* --- repeats ---------------------------------------------------------------------------------- */

/* Fields that say what a line is about: with another topic it is another line, however soon it comes. */
static const char *const named[] = { "topic", "partition", "path", "replica", "broker", "leader" };

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

/* True: print, and say how many were not printed before. */
static bool repeat_admits(uint64_t key, time_ms now, uint64_t *unprinted)
{
	struct repeat *r = &repeats[key % REPEAT_SLOTS];
	bool is_ours = __atomic_load_n(&r->key, __ATOMIC_ACQUIRE) == key;
	time_ms printed = __atomic_load_n(&r->printed, __ATOMIC_RELAXED);

	*unprinted = 0;
	if (!is_ours) {
		__atomic_store_n(&r->printed, now, __ATOMIC_RELAXED);
		__atomic_store_n(&r->unprinted, 0, __ATOMIC_RELAXED);
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

/* --- the way out ------------------------------------------------------------------------------ */

static void line_out(struct line *l, enum log_level level)
{
	if (l->is_cut) {
		memcpy(l->text + l->len, "...", 3);
		l->len += 3;
	}
	l->text[l->len++] = '\n';
	if (sink != NULL)
		sink(sink_arg, level, l->text, l->len);
	else
		fwrite(l->text, 1, l->len, stderr);
}

void log_emit(const struct log_source *s, enum log_level level, enum log_event e, const struct log_field *fields)
{
	struct line l;
	uint64_t unprinted = 0;
	time_ms now = clock_now != NULL ? clock_now(clock_arg) : -1;

	ASSERT((unsigned)e < EV_COUNT);
	if (!log_passes(s, level))
		return;
	__atomic_fetch_add(&counts[e], 1, __ATOMIC_RELAXED);
	if (now >= 0 && level != LOG_LEVEL_DEBUG && !repeat_admits(repeat_key(s, e, fields), now, &unprinted))
		return;
	l.len = 0;
	l.is_cut = false;
	if (now >= 0)
		put_time(&l, now);
	put_str(&l, level_names[level]);
	put_str(&l, " ");
	put_str(&l, s->module);
	if (s->subject[0] != '\0') {
		put_str(&l, " ");
		put_escaped(&l, slice_str(s->subject));
	}
	put_str(&l, " ");
	put_str(&l, events[e].name);
	for (const struct log_field *f = fields; f->kind != LOG_KIND_END; f++)
		put_field(&l, f);
	if (unprinted != 0)
		put_field(&l, &KV_I64("repeated", (int64_t)unprinted));
	line_out(&l, level);
}
