/*
 * Every codec in one table, and a random value for each: for tests. The rows are generated from the schemas.
 */
#ifndef SKEIN_TESTS_CODEC_LIST_H
#define SKEIN_TESTS_CODEC_LIST_H

#include "wire/wire.h"

/* A source of random values. What it makes lives in the arena. */
struct fill {
	uint64_t      state;
	struct arena *arena;
	bool          no_tags;		/* tagged fields keep their defaults */
};

enum codec_kind { CODEC_REQUEST, CODEC_RESPONSE, CODEC_DATA };

struct codec {
	const char     *name;			/* "produce_request" */
	enum codec_kind kind;
	int             key;			/* of the API; -1 for data */
	int             version_min, version_max, version_flexible;
	size_t          size;			/* of the struct */
	bool (*decode)(void *m, struct reader *r, int v, struct arena *arena);
	bool (*encode)(const void *m, struct writer *w, int v);
	void (*fill)(struct fill *g, int v, void *m);	/* every field of version v */
};

extern const struct codec codec_list[];
extern const size_t       codec_list_count;

const struct codec *codec_find(enum codec_kind kind, int key);	/* NULL when there is none; not for CODEC_DATA */
const struct codec *codec_find_name(struct slice name);

uint64_t fill_u64(struct fill *g);
bool     fill_tag(struct fill *g);		/* shall a tagged field be set? */
void    *fill_array(struct fill *g, bool nullable, size_t size, int32_t *count);
void    *fill_struct(struct fill *g, size_t size);		/* NULL at times */
struct slice fill_string(struct fill *g, bool nullable);	/* valid UTF-8 */
struct slice fill_bytes(struct fill *g, bool nullable);
struct wire_records fill_records(struct fill *g, bool nullable);

bool        fill_bool(struct fill *g);
int8_t      fill_i8(struct fill *g);
int16_t     fill_i16(struct fill *g);
uint16_t    fill_u16(struct fill *g);
int32_t     fill_i32(struct fill *g);
int64_t     fill_i64(struct fill *g);
double      fill_f64(struct fill *g);
struct uuid fill_uuid(struct fill *g);

/* One type of function for all messages, without casting function pointers. */
#define CODEC_WRAPPERS(name) \
static bool decode_ ## name(void *m, struct reader *r, int v, struct arena *arena) \
{ \
	return name ## _decode(m, r, v, arena); \
} \
static bool encode_ ## name(const void *m, struct writer *w, int v) \
{ \
	return name ## _encode(m, w, v); \
} \
static void fill_any_ ## name(struct fill *g, int v, void *m) \
{ \
	fill_ ## name(g, v, m); \
}
#define CODEC_ROW(name, kind, key, low, high, flexible) \
	{ #name, kind, key, low, high, flexible, sizeof(struct name), decode_ ## name, encode_ ## name, fill_any_ ## name }

#endif
