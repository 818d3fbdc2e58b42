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
