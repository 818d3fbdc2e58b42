/*
 * Values as they are typed on a command line, and back into escapes. Pure functions; false: not such a value.
 */
#ifndef SKEIN_TOOL_VALUE_H
#define SKEIN_TOOL_VALUE_H

#include "base/strbuf.h"
#include "record/codec.h"

bool value_int(const char *text, int64_t min, int64_t max, int64_t *out) MUST_CHECK;

/* Seconds, perhaps with decimals ("0.5"), as milliseconds. */
bool value_seconds(const char *text, int64_t min_ms, int64_t max_ms, int64_t *out_ms) MUST_CHECK;

/* "none", "gzip", "snappy", "lz4", "zstd". */
bool value_codec(const char *text, enum codec *out) MUST_CHECK;

/* "0", "1", "all" (or "-1"). */
bool value_acks(const char *text, int16_t *out) MUST_CHECK;

/* Where to begin reading. */
struct value_start {
	enum { START_BEGINNING, START_END, START_OFFSET, START_TIME } kind;
	int64_t at;		/* OFFSET; TIME in milliseconds since 1970 */
};

/*
 * "beginning", "end", an offset, "@" and a time: milliseconds since 1970, or 2026-11-22, 2026-11-22T19:28,
 * 2026-11-22T19:28:07.250Z (UTC).
 */
bool value_start(const char *text, struct value_start *out) MUST_CHECK;

/* "90s", "2h", "1d12h", "1500ms", "2w" in milliseconds; units are not optional, each comes once, the larger before the smaller. */
bool value_duration(const char *text, int64_t *out) MUST_CHECK;

/* Milliseconds since 1970: so long before now_ms, or a time as in value_start, whose "@" may be left out; a number of less than twelve digits needs it. */
bool value_since(const char *text, int64_t now_ms, int64_t *out) MUST_CHECK;

#define VALUE_TIMES  "2026-11-22, 2026-11-22T19:28:07Z, milliseconds since 1970"	/* in complaints */
#define VALUE_HEX    "\\x wants two hexadecimal digits"
#define VALUE_STARTS "beginning, end, an offset, or @" VALUE_TIMES
#define VALUE_AGES   "an age (90s, 2h, 1d12h) or a time (" VALUE_TIMES ")"

/* Splits "name=value" in place. The name is not empty. */
bool value_pair(char *text, char **name, char **value) MUST_CHECK;

/* \n \t \r \0 \\ \xHH; others stay as they are. Appends. False: \x without two digits. */
bool value_unescape(struct strbuf *out, const char *text) MUST_CHECK;

/*
 * On one line and without harm to a terminal, as value_unescape takes it back: controls (those of U+0080 to U+009F too), what turns the direction of writing, and bytes
 * that are no UTF-8 become \xHH. Appends.
 */
void value_add_visible(struct strbuf *out, struct slice s);

/* "0,2,5-7" into a list. False also beyond max numbers. Ascending and without doubles whatever the order typed. */
bool value_numbers(const char *text, int32_t *out, int max, int *count) MUST_CHECK;

#endif
