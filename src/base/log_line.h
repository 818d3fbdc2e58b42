/*
 * How a line of the log looks, in each of its forms. Private to the log.
 */
#ifndef SKEIN_LOG_LINE_H
#define SKEIN_LOG_LINE_H

#include "base/log.h"

struct log_line {
	char   text[LOG_RECORD_MAX];
	size_t max;		/* of text, of this form */
	size_t len;		/* without an end; room for '\n' is left */
	bool   is_cut;
};

struct log_said {
	const struct log_source *source;
	const char              *level, *event;
	const struct log_field  *fields;
	time_ms                  now;		/* -1: no clock */
	uint64_t                 unprinted;	/* repeats before this one */
};

void log_line_write(struct log_line *l, enum log_format format, const struct log_said *said);

#endif
