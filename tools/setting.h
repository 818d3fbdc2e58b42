/*
 * Settings of topics and brokers as they are typed: retention.ms=7d, segment.bytes=1GiB, cleanup.policy+=compact. Pure functions.
 */
#ifndef SKEIN_TOOL_SETTING_H
#define SKEIN_TOOL_SETTING_H

#include "client/admin.h"

#define SETTING_VALUE_MAX 32

struct setting {
	const char   *name, *typed;		/* typed: NULL when unset */
	const char   *value;			/* what is sent: typed, or number */
	char          number[SETTING_VALUE_MAX];
	enum admin_op op;
};

/* Takes "name=value", "name+=value", "name-=value" apart, in place. False: it is none. */
bool setting_parse(char *text, struct setting *out) MUST_CHECK;
/* Durations where the name ends in .ms, sizes where it ends in .bytes or .buffer.size become numbers; all else stays as it was typed. */
void setting_resolve(struct setting *s);
/* "512", "1KiB", "10MB", "1GiB" in bytes. */
bool setting_size(const char *text, int64_t *out) MUST_CHECK;

#endif
