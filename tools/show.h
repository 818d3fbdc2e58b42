/*
 * How topics, partitions and brokers look in what the tools print.
 */
#ifndef SKEIN_TOOL_SHOW_H
#define SKEIN_TOOL_SHOW_H

#include "base/strbuf.h"
#include "wire/gen/metadata.h"

/* Pointers to a decoded array's elements in order. free() it. */
const void **show_sorted(const void *items, int32_t count, size_t size, int (*compare)(const void *, const void *));
int show_by_name(const void *a, const void *b);		/* struct metadata_response_topic */
int show_by_partition(const void *a, const void *b);	/* struct metadata_response_partition */

/* What -o says. Objects have the same names in json (an array of them) and in ndjson (one per line). */
enum show_output { SHOW_DEFAULT, SHOW_TEXT, SHOW_WIDE, SHOW_JSON, SHOW_NDJSON };
#define SHOW_OUTPUT_HELP "text, wide (more columns), json (an array) or ndjson (an object per line)"
#define SHOW_OUTPUTS "text, wide, json or ndjson"
bool show_output_of(const char *text, enum show_output *out) MUST_CHECK;
static inline bool show_is_json(enum show_output o)
{
	return o == SHOW_JSON || o == SHOW_NDJSON;
}

/* The objects of a list, to stdout. Each object is put there without the newline; the end closes the array. */
struct show_list {
	enum show_output output;
	int              count;
};
void show_object(struct show_list *l, const struct strbuf *object);
void show_list_end(struct show_list *l);

/* "12 B", "3.4 KB", "1.2 GB"; "-" when negative, which is unknown. */
#define SHOW_TEXT_SIZE 32
const char *show_bytes(char out[SHOW_TEXT_SIZE], int64_t bytes);
/* "0", "12.5", "1234", "45.6 k", "7.8 M"; "-" when negative. */
const char *show_rate(char out[SHOW_TEXT_SIZE], double per_second);
/* "0 s", "12 s", "4m10s", "3h12m", "2d4h"; "-" when negative. */
const char *show_age(char out[SHOW_TEXT_SIZE], int64_t ms);
const char *show_number(char out[SHOW_TEXT_SIZE], int64_t n);	/* "-" when negative */
void show_json_number(struct strbuf *out, int64_t n);		/* null when negative */

void show_ids(struct strbuf *out, const int32_t *ids, int32_t count);	/* 1,2,3 */
void show_json_string(struct strbuf *out, struct slice s);

#define SHOW_NO_MIN_ISR 0	/* not to be judged */

/* Fewer than its replicas, or than isr_min, are in sync, or nobody leads. */
bool show_has_trouble(const struct metadata_response_partition *p, int32_t isr_min);
/* Says so in words, "offline, under-replicated: 2 is behind"; nothing when all is well. */
void show_troubles(struct strbuf *out, const struct metadata_response_partition *p, int32_t isr_min);
/* An object: number, leader, epoch, replicas, isr, offline. */
void show_partition_json(struct strbuf *out, const struct metadata_response_partition *p);

#endif
