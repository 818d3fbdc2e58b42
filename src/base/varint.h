/*
 * LEB128 as Kafka has it. Unsigned in the protocol, zig-zag inside record batches.
 * Readers return the number of bytes used, 0 when the bytes end too early or the form is too long (5 and 10 bytes).
 * Padded forms are accepted; bits above the type's width are dropped, as Java drops them.
 */
#ifndef SKEIN_VARINT_H
#define SKEIN_VARINT_H

#include "base/base.h"

#define VARINT_MAX  5
#define VARLONG_MAX 10

static inline uint32_t zigzag32(int32_t v)   { return ((uint32_t)v << 1) ^ (uint32_t)(v >> 31); }
static inline uint64_t zigzag64(int64_t v)   { return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63); }
static inline int32_t  unzigzag32(uint32_t v) { return (int32_t)(v >> 1) ^ -(int32_t)(v & 1); }
static inline int64_t  unzigzag64(uint64_t v) { return (int64_t)(v >> 1) ^ -(int64_t)(v & 1); }

static inline size_t get_uvarint(const uint8_t *p, size_t len, uint32_t *out)
{
	uint32_t v = 0;

	for (size_t i = 0; i < len && i < VARINT_MAX; i++) {
		v |= (uint32_t)(p[i] & 0x7f) << (7 * i);
		if ((p[i] & 0x80) == 0) {
			*out = v;
			return i + 1;
		}
	}
	return 0;
}

static inline size_t get_uvarlong(const uint8_t *p, size_t len, uint64_t *out)
{
	uint64_t v = 0;

	for (size_t i = 0; i < len && i < VARLONG_MAX; i++) {
		v |= (uint64_t)(p[i] & 0x7f) << (7 * i);
		if ((p[i] & 0x80) == 0) {
			*out = v;
			return i + 1;
		}
	}
	return 0;
}

static inline size_t get_varint(const uint8_t *p, size_t len, int32_t *out)
{
	uint32_t v = 0;
	size_t n = get_uvarint(p, len, &v);

	*out = unzigzag32(v);
	return n;
}

static inline size_t get_varlong(const uint8_t *p, size_t len, int64_t *out)
{
	uint64_t v = 0;
	size_t n = get_uvarlong(p, len, &v);

	*out = unzigzag64(v);
	return n;
}

/* Writers need VARINT_MAX or VARLONG_MAX bytes of room and return the number written. */
static inline size_t put_uvarint(uint8_t *p, uint32_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		p[n++] = (uint8_t)(v | 0x80);
	p[n++] = (uint8_t)v;
	return n;
}

static inline size_t put_uvarlong(uint8_t *p, uint64_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		p[n++] = (uint8_t)(v | 0x80);
	p[n++] = (uint8_t)v;
	return n;
}

static inline size_t put_varint(uint8_t *p, int32_t v)  { return put_uvarint(p, zigzag32(v)); }
static inline size_t put_varlong(uint8_t *p, int64_t v) { return put_uvarlong(p, zigzag64(v)); }

static inline size_t uvarint_size(uint32_t v)
{
	return v < 1u << 7 ? 1 : v < 1u << 14 ? 2 : v < 1u << 21 ? 3 : v < 1u << 28 ? 4 : 5;
}

static inline size_t varint_size(int32_t v) { return uvarint_size(zigzag32(v)); }

static inline size_t varlong_size(int64_t v)
{
	uint64_t u = zigzag64(v);
	size_t n = 1;

	for (; u >= 0x80; u >>= 7)
		n++;
	return n;
}

#endif
