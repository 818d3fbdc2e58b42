/*
 * A record as one JSON object on one line, exact in both directions:
 *
 *	{"topic":"orders","partition":0,"offset":7,"timestamp":1700000000000,"key":"a","value":"b","headers":[{"key":"h","value":"v"}]}
 *
 * Bytes that are not UTF-8 come as "key_base64", "value_base64" instead. Null is null. Reading, everything is optional:
 * what is not there is null, without headers, and without a time of its own; topic and offset are not looked at. Any other name is refused.
 */
#ifndef SKEIN_TOOL_JSON_RECORD_H
#define SKEIN_TOOL_JSON_RECORD_H

#include "base/strbuf.h"
#include "client/consumer.h"
#include "client/producer.h"

/* Appends a JSON string; a byte that is no UTF-8 becomes U+FFFD. */
void json_write_string(struct strbuf *out, struct slice s);
/* Appends "name":string or "name":null, or "name_base64":string for bytes that are no UTF-8. */
void json_write_bytes(struct strbuf *out, const char *name, struct slice s);

/* Appends the object, without a newline. */
void json_record_write(struct strbuf *out, const struct consumer_event *e);

/* A record read from JSON; owns what its slices point to. All zero bytes are an empty one. */
struct json_record {
	struct producer_record record;	/* topic and tag are left alone; partition -1, timestamp -1 when absent */
	void                  *memory;	/* of the slices */
};

/* From the text of one object. False: error says what was expected, and where. Not NUL-terminated. */
bool json_record_read(struct json_record *r, struct slice text, char error[200]) MUST_CHECK;
void json_record_fini(struct json_record *r);

#endif
