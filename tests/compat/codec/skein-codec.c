/*
 * Our side of the comparison with Java's codec: answers questions on stdin until it ends. All integers big endian.
 *
 *   question  u8 op, u16 length and name of the codec ("fetch_request"), i16 version, i32 length and bytes
 *   answer    i32 length and bytes; length -1: refused
 *
 *   'L'  the bytes are ignored; answer: a line "name first-version last-version" for every codec
 *   'R'  decode the bytes, all of them, and encode the result
 *   'C'  the same, encoded in another version: the bytes begin with that version (i16)
 *   'F'  the bytes are a seed (i64); encode a random message
 *   'H'  the bytes are an API's key and version (i16 each); answer: the versions of its two headers (u8 each)
 */
#include <stdio.h>
#include <stdlib.h>

#include "unit/wire/codec_list.h"
#include "wire/header.h"

#define LENGTH_MAX (1 << 24)

static struct arena arena;
static struct writer out;
static uint8_t question[LENGTH_MAX];

static bool read_all(void *p, size_t n)
{
	return fread(p, 1, n, stdin) == n;
}

static void list_codecs(void)
{
	for (size_t i = 0; i < codec_list_count; i++) {
		const struct codec *c = &codec_list[i];
		struct slice line = arena_printf(&arena, "%s %d %d\n", c->name, c->version_min, c->version_max);
		for (size_t j = 0; j < line.len; j++)
			put_i8(&out, (int8_t)line.ptr[j]);
	}
}

static bool recode(const struct codec *c, int version, int version_out, struct reader *r)
{
	void *m = arena_alloc(&arena, c->size);

	ASSERT(m != NULL);
	return c->decode(m, r, version, &arena) && reader_left(r) == 0 && c->encode(m, &out, version_out);
}

static bool encode_random(const struct codec *c, int version, struct reader *r)
{
	void *m = arena_alloc(&arena, c->size);
	struct fill g = { .state = (uint64_t)get_i64(r), .arena = &arena };

	ASSERT(m != NULL);
	c->fill(&g, version, m);
	return c->encode(m, &out, version);
}

/* Told from what we write: with a null client id, a request header of version 0, 1, 2 has 8, 10, 11 bytes, a response's 4, 5. */
static bool header_versions(struct reader *r)
{
	struct request_header h = { .request_api_key = get_i16(r), .request_api_version = get_i16(r) };

	if (api_info(h.request_api_key) == NULL || !header_encode_request(&h, &out))
		return false;
	size_t request = out.len;
	if (!header_encode_response(0, &out, h.request_api_key, h.request_api_version))
		return false;
	size_t response = out.len - request;
	writer_reset(&out);
	put_i8(&out, request == 8 ? 0 : request == 10 ? 1 : request == 11 ? 2 : -1);
	put_i8(&out, response == 4 ? 0 : response == 5 ? 1 : -1);
	return true;
}

static bool answer(char op, struct slice name, int version, struct reader *r)
{
	const struct codec *c = codec_find_name(name);

	if (op == 'L') {
		list_codecs();
		return true;
	}
	if (op == 'H')
		return header_versions(r);
	if (c == NULL)
		return false;
	if (op == 'R')
		return recode(c, version, version, r);
	if (op == 'C')
		return recode(c, version, get_i16(r), r);
	return encode_random(c, version, r);
}

static bool serve_one(void)
{
	uint8_t head[3], name[256], tail[6], size[4];

	if (!read_all(head, sizeof(head)))
		return false;
	size_t name_len = load_be16(head + 1);
	if (name_len > sizeof(name) || !read_all(name, name_len) || !read_all(tail, sizeof(tail)))
		return false;
	int32_t len = load_i32(tail + 2);
	if (len < 0 || len > LENGTH_MAX || !read_all(question, (size_t)len))
		return false;
	arena_reset(&arena);
	writer_reset(&out);
	struct reader r = reader_of(slice_of(question, (size_t)len));
	bool ok = answer((char)head[0], slice_of(name, name_len), load_i16(tail), &r);
	store_i32(size, ok ? (int32_t)out.len : -1);
	fwrite(size, 1, sizeof(size), stdout);
	if (ok)
		fwrite(out.buf, 1, out.len, stdout);
	return fflush(stdout) == 0;
}

int main(void)
{
	arena_init(&arena, (size_t)1 << 30);
	writer_init(&out);
	while (serve_one())
		;
	arena_fini(&arena);
	writer_fini(&out);
	return EXIT_SUCCESS;
}
