/*
 * Any bytes as a request: header, then the body of the API and version it names. What is accepted is written and read
 * again; from then on the bytes stay the same, and memory stays linear in the input.
 */
#include <stdlib.h>

#include "unit/wire/codec_list.h"
#include "wire/header.h"

#define ARENA_FIXED    (64 * 1024)
#define ARENA_PER_BYTE 64

static struct writer written[2];

static bool recode(const struct codec *c, struct slice body, int version, struct writer *w)
{
	struct arena arena;
	struct reader r = reader_of(body);
	void *m = mem_alloc(c->size);

	arena_init(&arena, ARENA_FIXED + ARENA_PER_BYTE * body.len);
	bool ok = c->decode(m, &r, version, &arena);
	writer_reset(w);
	if (ok)
		ASSERT(c->encode(m, w, version));
	arena_fini(&arena);
	free(m);
	return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(slice_of(data, size));
	struct request_header h;

	if (!header_decode_request(&h, &r))
		return 0;
	const struct codec *c = codec_find(CODEC_REQUEST, h.request_api_key);
	ASSERT(c != NULL);
	int v = h.request_api_version;
	if (!recode(c, slice_of(r.ptr, reader_left(&r)), v, &written[0]))
		return 0;
	ASSERT(recode(c, slice_of(written[0].buf, written[0].len), v, &written[1]));
	ASSERT(slice_eq(slice_of(written[0].buf, written[0].len), slice_of(written[1].buf, written[1].len)));
	return 0;
}
