/*
 * A record as text, in the forms that skein consume knows. Pure.
 *
 *	text    the value and a delimiter, with the key before it if a separator is given
 *	wide    a line for people: topic/partition, offset, time, key, value, headers; what is no printable character is escaped
 *	json    json_record.h, a list of it; ndjson: a line each
 *	format  a text with %t and the like
 *
 * Of an internal topic, decoded, the value is a JSON object (decode.h) that holds the key too; json and ndjson have it beside the bytes, as "decoded".
 * A control record has no value: it is told in words, and in json as "control":"commit" (or "abort", or the number of its type) with "producer_id",
 * "producer_epoch", "coordinator_epoch".
 */
#ifndef SKEIN_TOOL_RECORD_PRINT_H
#define SKEIN_TOOL_RECORD_PRINT_H

#include "base/strbuf.h"
#include "client/consumer.h"
#include "decode.h"

enum record_form { RECORD_TEXT, RECORD_WIDE, RECORD_JSON, RECORD_NDJSON, RECORD_FORMAT };

/* Start from RECORD_PRINT_INIT. */
struct record_print {
	enum record_form form;
	struct strbuf    format, key_separator, delimiter;	/* unescaped; key_separator empty: no keys */
	const char      *null_text;				/* NULL: nothing, and "null" in wide */
	enum decode_kind decode;
	int              place_width;				/* wide: of the longest topic/partition */
};
#define RECORD_PRINT_INIT { .place_width = 0 }

/* "text", "wide", "json", "ndjson", or a format: what has a % in it. False: none of them, error says why. */
bool record_print_set(struct record_print *p, const char *text, char error[100]) MUST_CHECK;
/* A format whether or not there is a % in it. */
bool record_print_set_format(struct record_print *p, const char *text, char error[100]) MUST_CHECK;
void record_print_fini(struct record_print *p);

/* is_first: of all; what stands between the objects of a list. */
void record_print_add(struct strbuf *out, const struct record_print *p, const struct consumer_event *e, bool is_first);
/* What stands behind all of them. */
void record_print_end(struct strbuf *out, const struct record_print *p, bool is_empty);

/* What a control record says: "commit of producer 7, epoch 0, coordinator epoch 3"; for what is unknown its type. */
void record_print_control(struct strbuf *out, const struct consumer_event *e);

#endif
