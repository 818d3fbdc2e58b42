/*
 * Taking varints and bytes from a source, across pieces, while counting what a record's length still allows.
 */
#ifndef SKEIN_RECORD_PRIV_H
#define SKEIN_RECORD_PRIV_H

#include "base/varint.h"
#include "record/record.h"

/*
 * Varints are one or two bytes nearly always; the rest goes through the loop. NULL: they end too early or are too long.
 * p may be NULL (and stays it), so that a chain of them needs one check.
 */
static inline const uint8_t *take_varint(const uint8_t *p, const uint8_t *end, int32_t *out)
{
	if (UNLIKELY(p == NULL))
		return NULL;
	if (LIKELY(end - p >= 2)) {
		if (p[0] < 0x80) {
			*out = unzigzag32(p[0]);
			return p + 1;
		}
		if (p[1] < 0x80) {
			*out = unzigzag32((p[0] & 0x7fu) | (uint32_t)p[1] << 7);
			return p + 2;
		}
	}
	size_t n = get_varint(p, (size_t)(end - p), out);
	return n != 0 ? p + n : NULL;
}

static inline const uint8_t *take_varlong(const uint8_t *p, const uint8_t *end, int64_t *out)
{
	if (UNLIKELY(p == NULL))
		return NULL;
	if (LIKELY(end - p >= 2)) {
		if (p[0] < 0x80) {
			*out = unzigzag64(p[0]);
			return p + 1;
		}
		if (p[1] < 0x80) {
			*out = unzigzag64((p[0] & 0x7fu) | (uint64_t)p[1] << 7);
			return p + 2;
		}
	}
	size_t n = get_varlong(p, (size_t)(end - p), out);
	return n != 0 ? p + n : NULL;
}

/* A length and that many bytes; a negative length is null. */
static inline const uint8_t *take_bytes(const uint8_t *p, const uint8_t *end, struct slice *out)
{
	int32_t len = 0;

	p = take_varint(p, end, &len);
	if (p == NULL || len > end - p)
		return NULL;
	*out = len >= 0 ? slice_of(p, (size_t)len) : SLICE_NULL;
	return p + out->len;
}

/* Across pieces: *left is what the record's length still allows. false: more than that, or the source ended. */
bool source_byte(struct record_source *s, int64_t *left, uint8_t *out) MUST_CHECK;
bool source_varint(struct record_source *s, int64_t *left, int32_t *out) MUST_CHECK;
bool source_varlong(struct record_source *s, int64_t *left, int64_t *out) MUST_CHECK;
bool source_skip(struct record_source *s, int64_t *left, int64_t n) MUST_CHECK;

#endif
