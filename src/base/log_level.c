/*
 * Which logger lets which levels through.
 *
 * All levels are in one 64-bit word, so that a reader sees one state and a change is one compare-and-swap: 16 bits per level,
 * one per logger, set when the logger lets the level through. ERROR always passes; its 16 bits tell which loggers have a level
 * of their own instead of the root's.
 */
#include "base/log.h"

#define BITS 16
_Static_assert(LOGGER_COUNT <= BITS, "a bit per logger");
#define ALL  ((UINT64_C(1) << LOGGER_COUNT) - 1)

static const char *const names[LOGGER_COUNT] = {
	[LOGGER_ROOT] = "root",
#define X(module) [LOGGER_##module] = #module,
	LOG_MODULE_TABLE(X)
#undef X
};

static uint64_t state = ALL << (LOG_LEVEL_INFO * BITS) | ALL << (LOG_LEVEL_WARN * BITS);

static uint64_t bit_of(int logger, int level)
{
	return UINT64_C(1) << (level * BITS + logger);
}

static bool lets_through(uint64_t s, int logger, enum log_level level)
{
	return level == LOG_LEVEL_ERROR || (s & bit_of(logger, (int)level)) != 0;
}

static bool has_own(uint64_t s, int logger)
{
	return (s & bit_of(logger, LOG_LEVEL_ERROR)) != 0;
}

static enum log_level level_in(uint64_t s, int logger)
{
	enum log_level level = LOG_LEVEL_DEBUG;

	while (!lets_through(s, logger, level))
		level++;
	return level;
}

static uint64_t with_level(uint64_t s, int logger, enum log_level level)
{
	for (int l = LOG_LEVEL_DEBUG; l < LOG_LEVEL_ERROR; l++)
		s = l >= (int)level ? s | bit_of(logger, l) : s & ~bit_of(logger, l);
	return s;
}

/* The root's level, also for all that have none of their own. */
static uint64_t with_root(uint64_t s, enum log_level level)
{
	for (int i = 0; i < LOGGER_COUNT; i++) {
		if (i == LOGGER_ROOT || !has_own(s, i))
			s = with_level(s, i, level);
	}
	return s;
}

void log_logger_set(int logger, enum log_level level)
{
	uint64_t old = __atomic_load_n(&state, __ATOMIC_RELAXED), next;

	ASSERT(logger >= 0 && logger < LOGGER_COUNT);
	do {
		next = logger == LOGGER_ROOT ? with_root(old, level)
		                             : with_level(old, logger, level) | bit_of(logger, LOG_LEVEL_ERROR);
	} while (!__atomic_compare_exchange_n(&state, &old, next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

void log_logger_clear(int logger)
{
	uint64_t old = __atomic_load_n(&state, __ATOMIC_RELAXED), next;

	ASSERT(logger > LOGGER_ROOT && logger < LOGGER_COUNT);
	do {
		next = with_level(old, logger, level_in(old, LOGGER_ROOT)) & ~bit_of(logger, LOG_LEVEL_ERROR);
	} while (!__atomic_compare_exchange_n(&state, &old, next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

enum log_level log_logger_level(int logger)
{
	ASSERT(logger >= 0 && logger < LOGGER_COUNT);
	return level_in(__atomic_load_n(&state, __ATOMIC_RELAXED), logger);
}

const char *log_logger_name(int logger)
{
	ASSERT(logger >= 0 && logger < LOGGER_COUNT);
	return names[logger];
}

void log_set_level(enum log_level level)
{
	log_logger_set(LOGGER_ROOT, level);
}

/* --- names ------------------------------------------------------------------------------------ */

bool log_level_parse(struct slice name, enum log_level *level)
{
	static const struct {
		const char    *name;
		enum log_level level;
	} levels[] = {
		{ "DEBUG", LOG_LEVEL_DEBUG }, { "ERROR", LOG_LEVEL_ERROR }, { "FATAL", LOG_LEVEL_ERROR },
		{ "INFO", LOG_LEVEL_INFO }, { "TRACE", LOG_LEVEL_DEBUG }, { "WARN", LOG_LEVEL_WARN },
	};

	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		if (slice_eq_str(name, levels[i].name)) {
			*level = levels[i].level;
			return true;
		}
	}
	return false;
}

int log_logger_find(struct slice name)
{
	for (int i = 0; i < LOGGER_COUNT; i++) {
		if (slice_eq_str(name, names[i]))
			return i;
	}
	return -1;
}

static struct slice trimmed(struct slice s)
{
	while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
		s = slice_of(s.ptr + 1, s.len - 1);
	while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Takes "net=WARN" or "WARN" off the front. */
static bool next_level(struct slice *rest, int *logger, enum log_level *level)
{
	const uint8_t *end = memchr(rest->ptr, ',', rest->len);
	struct slice item = slice_of(rest->ptr, end != NULL ? (size_t)(end - rest->ptr) : rest->len);
	const uint8_t *is = item.len > 0 ? memchr(item.ptr, '=', item.len) : NULL;
	struct slice value = is != NULL ? slice_of(is + 1, (size_t)(item.ptr + item.len - is - 1)) : item;

	*logger = is != NULL ? log_logger_find(trimmed(slice_of(item.ptr, (size_t)(is - item.ptr)))) : LOGGER_ROOT;
	*rest = slice_of(rest->ptr + item.len + (end != NULL), rest->len - item.len - (end != NULL));
	return *logger >= 0 && log_level_parse(trimmed(value), level);
}

bool log_levels_are_valid(struct slice text)
{
	enum log_level level;
	int logger;

	while (text.len > 0) {
		if (!next_level(&text, &logger, &level))
			return false;
	}
	return true;
}

void log_levels_set(struct slice text)
{
	enum log_level level;
	int logger;

	if (!log_levels_are_valid(text))
		return;
	log_set_level(LOG_LEVEL_INFO);
	for (int i = LOGGER_ROOT + 1; i < LOGGER_COUNT; i++)
		log_logger_clear(i);
	while (text.len > 0 && next_level(&text, &logger, &level))
		log_logger_set(logger, level);
}

bool log_is_on(enum log_level level)
{
	return level == LOG_LEVEL_ERROR || (__atomic_load_n(&state, __ATOMIC_RELAXED) >> ((int)level * BITS) & ALL) != 0;
}

bool log_passes(const struct log_source *s, enum log_level level)
{
	int logger = LOGGER_COUNT - 1;

	while (logger > LOGGER_ROOT && strcmp(s->module, names[logger]) != 0)
		logger--;
	return lets_through(__atomic_load_n(&state, __ATOMIC_RELAXED), logger, level);
}
