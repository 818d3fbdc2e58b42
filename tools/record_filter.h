/*
 * Which records are wanted: by key, headers, and what is in the value. Bytes are compared as bytes; null is no text, and matches nothing.
 */
#ifndef SKEIN_TOOL_RECORD_FILTER_H
#define SKEIN_TOOL_RECORD_FILTER_H

#include <regex.h>

#include "record/record.h"

#define FILTER_HEADERS_MAX 16

/* All zero bytes let every record pass. */
struct record_filter {
	const char *key;			/* a pattern for the whole key; NULL */
	struct {
		const char *name, *value;	/* value: a pattern, NULL: any, null too */
	} headers[FILTER_HEADERS_MAX];		/* all of them must be there */
	int         header_count;
	regex_t     value;
	bool        has_value;
};

/* * stands for any bytes, ? for one, and \ takes the meaning of the character behind it. */
bool filter_matches(const char *pattern, struct slice text);

/* "NAME" or "NAME=PATTERN", split in place and kept. False: no name, or too many. */
bool record_filter_header(struct record_filter *f, char *text) MUST_CHECK;
/* An extended regular expression to be found in the value. False: it is none, error says why. */
bool record_filter_value(struct record_filter *f, const char *text, char error[100]) MUST_CHECK;
void record_filter_fini(struct record_filter *f);

bool record_filter_passes(const struct record_filter *f, const struct record *r);

#endif
