/*
 * Random values that look for trouble: short and long strings (one and two bytes of compact length), extreme integers,
 * nulls, empty arrays.
 */
#include "unit/wire/codec_list.h"

const struct codec *codec_find(enum codec_kind kind, int key)
{
	for (size_t i = 0; i < codec_list_count; i++) {
		if (codec_list[i].kind == kind && codec_list[i].key == key && kind != CODEC_DATA)
			return &codec_list[i];
	}
	return NULL;
}

const struct codec *codec_find_name(struct slice name)
{
	for (size_t i = 0; i < codec_list_count; i++) {
		if (slice_eq_str(name, codec_list[i].name))
			return &codec_list[i];
	}
	return NULL;
}

uint64_t fill_u64(struct fill *g)	/* splitmix64 */
{
	uint64_t z = g->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static uint64_t below(struct fill *g, uint64_t n)
{
	return fill_u64(g) % n;
}

bool fill_tag(struct fill *g)
{
	return !g->no_tags && below(g, 2) == 0;
}

static void *room(struct fill *g, size_t size)
{
	void *p = arena_alloc(g->arena, size);

	ASSERT(p != NULL);
	return p;
}

void *fill_array(struct fill *g, bool nullable, size_t size, int32_t *count)
{
	*count = nullable && below(g, 4) == 0 ? -1 : (int32_t)below(g, 4);
	return *count > 0 ? room(g, (size_t)*count * size) : NULL;
}

void *fill_struct(struct fill *g, size_t size)
{
	return below(g, 3) == 0 ? NULL : room(g, size);
}

struct slice fill_string(struct fill *g, bool nullable)
{
	static const char *const pieces[] = { "a", "Z", "-", ".", "0", "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };

	if (nullable && below(g, 4) == 0)
		return SLICE_NULL;
	size_t n = below(g, 16) == 0 ? 100 + below(g, 200) : below(g, 12);
	uint8_t *p = room(g, n * 4);
	size_t len = 0;
	for (size_t i = 0; i < n; i++) {
		struct slice piece = slice_str(pieces[below(g, ARRAY_LEN(pieces))]);
		memcpy(p + len, piece.ptr, piece.len);
		len += piece.len;
	}
	return slice_of(p, len);
}

struct slice fill_bytes(struct fill *g, bool nullable)
{
	if (nullable && below(g, 4) == 0)
		return SLICE_NULL;
	size_t n = below(g, 16) == 0 ? 20000 : below(g, 150);
	uint8_t *p = room(g, n);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)fill_u64(g);
	return slice_of(p, n);
}

struct wire_records fill_records(struct fill *g, bool nullable)
{
	struct slice s = fill_bytes(g, nullable);

	return (struct wire_records){ .ptr = s.ptr, .len = (uint32_t)s.len };
}

int64_t fill_i64(struct fill *g)
{
	static const int64_t extremes[] = { 0, -1, 1, INT64_MAX, INT64_MIN, INT32_MAX, INT32_MIN };

	return below(g, 4) == 0 ? extremes[below(g, ARRAY_LEN(extremes))] : (int64_t)(fill_u64(g) >> below(g, 64));
}

bool     fill_bool(struct fill *g) { return below(g, 2) == 0; }
int8_t   fill_i8(struct fill *g)   { return (int8_t)fill_i64(g); }
int16_t  fill_i16(struct fill *g)  { return (int16_t)fill_i64(g); }
uint16_t fill_u16(struct fill *g)  { return (uint16_t)fill_i64(g); }
int32_t  fill_i32(struct fill *g)  { return (int32_t)fill_i64(g); }
double   fill_f64(struct fill *g)  { return (double)fill_i32(g) / 8; }

struct uuid fill_uuid(struct fill *g)
{
	struct uuid u = UUID_ZERO;

	if (below(g, 8) != 0) {
		for (size_t i = 0; i < sizeof(u.bytes); i++)
			u.bytes[i] = (uint8_t)fill_u64(g);
	}
	return u;
}
