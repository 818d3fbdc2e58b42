/*
 * Kafka's uuid: topic ids and directory ids. All zero means "no id". The text form is URL-safe base64 without padding,
 * as in partition.metadata, meta.properties and logs.
 */
#ifndef SKEIN_UUID_H
#define SKEIN_UUID_H

#include "base/slice.h"

#define UUID_TEXT_LEN 22

struct uuid {
	uint8_t bytes[16];
};

#define UUID_ZERO ((struct uuid){ { 0 } })

static inline bool uuid_eq(struct uuid a, struct uuid b)
{
	return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

static inline bool uuid_is_zero(struct uuid u)
{
	return uuid_eq(u, UUID_ZERO);
}

/* Writes 22 characters and a NUL; returns text. */
char *uuid_to_text(struct uuid u, char text[UUID_TEXT_LEN + 1]);

/* False, and *u untouched, unless text is exactly the 22 characters that uuid_to_text would write. */
bool uuid_from_text(struct uuid *u, struct slice text) MUST_CHECK;

#endif
