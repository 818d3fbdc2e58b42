/*
 * The codecs: what is written is in Kafka's form and reads back; what other writers produce is read as Kafka reads it;
 * what is damaged or swollen ends in an error, in bounded memory.
 */
#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>

#include "record_test_util.h"

static struct decompressor *in;
static struct compressor *out;
static struct strbuf packed, plain;

static void setup(void)
{
	in = decompressor_create();
	out = compressor_create();
}

static void teardown(void)
{
	decompressor_destroy(&in);
	compressor_destroy(&out);
	strbuf_fini(&packed);
	strbuf_fini(&plain);
}

static int level_of(int codec)
{
	return codec == CODEC_GZIP ? LEVEL_DEFAULT_GZIP : codec == CODEC_LZ4 ? LEVEL_DEFAULT_LZ4 : LEVEL_DEFAULT_ZSTD;
}

/* Into packed, in steps of at most step bytes. */
static enum err pack(int codec, struct slice data, size_t step, size_t out_max)
{
	strbuf_reset(&packed);
	compress_begin(out, (enum codec)codec, level_of(codec), &packed, out_max);
	for (size_t at = 0; at < data.len; at += step)
		compress_write(out, data.ptr + at, MIN(step, data.len - at));
	return compress_end(out);
}

/* Into plain; what is read is copied to memory of exactly its size, so that a sanitizer sees a read beyond it. */
static enum err unpack_mode(int codec, struct slice data, enum decompress_mode mode, uint64_t out_max)
{
	uint8_t *exact = mem_alloc(data.len + 1);
	struct slice piece;
	enum err err;

	strbuf_reset(&plain);
	memcpy(exact + 1, data.ptr, data.len);
	decompress_begin(in, (enum codec)codec, slice_of(exact + 1, data.len), mode, out_max);
	while ((err = decompress_next(in, &piece)) == OK && piece.len != 0) {
		ck_assert_uint_le(plain.len + piece.len, out_max);
		strbuf_add_slice(&plain, piece);
	}
	ck_assert_int_eq(decompress_next(in, &piece), err);	/* an end and an error stay what they are */
	ck_assert_uint_eq(piece.len, 0);
	free(exact);
	return err;
}

static enum err unpack(int codec, struct slice data)
{
	return unpack_mode(codec, data, DECOMPRESS_STRICT, OUT_MAX);
}

static uint8_t *sample(size_t len, int entropy)
{
	uint8_t *p = mem_alloc(len + 1);

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(entropy == 0 ? 0 : random() % entropy);
	return p;
}

START_TEST(what_is_written_reads_back)
{
	static const size_t sizes[] = { 0, 1, 100, 32768, 65535, 65536, 65537, 131072, 1000000 };
	static const int entropies[] = { 0, 3, 256 };

	for (size_t i = 0; i < ARRAY_LEN(sizes) * ARRAY_LEN(entropies); i++) {
		size_t len = sizes[i / ARRAY_LEN(entropies)];
		uint8_t *data = sample(len, entropies[i % ARRAY_LEN(entropies)]);
		for (size_t step = 1000; step <= 1000000; step *= 10) {
			ck_assert_int_eq(pack(_i, slice_of(data, len), step, SIZE_MAX), OK);
			ck_assert_int_eq(unpack(_i, strbuf_slice(&packed)), OK);
			ck_assert(slice_eq(strbuf_slice(&plain), slice_of(data, len)));
		}
		free(data);
	}
}
END_TEST

START_TEST(the_form_is_kafkas)
{
	static const struct { int codec; const char *head; size_t len; } forms[] = {
		{ CODEC_GZIP,   "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", 10 },
		{ CODEC_SNAPPY, "\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01", 16 },
		{ CODEC_LZ4,    "\x04\x22\x4d\x18\x60\x40\x82", 7 },
		{ CODEC_ZSTD,   "\x28\xb5\x2f\xfd\x00\x58", 6 },	/* no content size, 2 MiB window */
	};

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		ck_assert_int_eq(pack(forms[i].codec, SLICE_LIT("hello, hello, hello"), 100, SIZE_MAX), OK);
		ck_assert_uint_gt(packed.len, forms[i].len);
		ck_assert(memcmp(packed.ptr, forms[i].head, forms[i].len) == 0);
	}
}
END_TEST

START_TEST(writing_stops_at_its_limit)
{
	uint8_t *data = sample(300000, 256);

	for (size_t limit = 0; limit < 300000; limit += 9973) {
		ck_assert_int_eq(pack(_i, slice_of(data, 300000), 777, limit), ERR_TOO_LARGE);
		ck_assert_uint_le(packed.len, limit + 200000);	/* a block more at most */
	}
	ck_assert_int_eq(pack(_i, slice_of(data, 300000), 777, 310000), OK);
	free(data);
}
END_TEST

START_TEST(a_cut_stream_is_damage)
{
	uint8_t *data = sample(20000, 20);

	ck_assert_int_eq(pack(_i, slice_of(data, 20000), 20000, SIZE_MAX), OK);
	for (size_t len = 0; len < packed.len; len += len < 100 ? 1 : 61) {
		/* the xerial stream has no end mark: its header alone is an empty stream */
		bool is_empty = _i == CODEC_SNAPPY && len == 16;
		ck_assert_int_eq(unpack(_i, slice_of(packed.ptr, len)), is_empty ? OK : ERR_CORRUPT);
	}
	free(data);
}
END_TEST

START_TEST(rubbish_is_no_stream)
{
	for (size_t n = 0; n < 2000; n++) {
		size_t len = (size_t)random() % 300;
		uint8_t *data = sample(len, 256);
		if (_i != CODEC_SNAPPY)		/* any short run of bytes may be a raw block */
			ck_assert_int_eq(unpack(_i, slice_of(data, len)), ERR_CORRUPT);
		else
			ck_assert_int_ne(unpack(_i, slice_of(data, len)), ERR_INTERNAL);
		free(data);
	}
}
END_TEST

START_TEST(flipped_bits_do_no_harm)
{
	uint8_t *data = sample(3000, 20);

	ck_assert_int_eq(pack(_i, slice_of(data, 3000), 3000, SIZE_MAX), OK);
	for (size_t n = 0; n < 3000; n++) {
		size_t bit = (size_t)random() % (packed.len * 8);
		packed.ptr[bit / 8] = (char)(packed.ptr[bit / 8] ^ (1 << bit % 8));
		enum err err = unpack(_i, strbuf_slice(&packed));
		ck_assert(err == OK || err == ERR_CORRUPT || err == ERR_TOO_LARGE);
		packed.ptr[bit / 8] = (char)(packed.ptr[bit / 8] ^ (1 << bit % 8));
	}
	free(data);
}
END_TEST

/* A hundred MiB of zeros: the limit ends it, and no piece is larger than a block may be. */
START_TEST(a_bomb_is_stopped)
{
	uint8_t *data = sample(1 << 20, 0);
	struct slice piece;
	uint64_t seen = 0;
	enum err err;

	strbuf_reset(&packed);
	compress_begin(out, (enum codec)_i, level_of(_i), &packed, SIZE_MAX);
	for (int i = 0; i < 100; i++)
		compress_write(out, data, 1 << 20);
	ck_assert_int_eq(compress_end(out), OK);
	decompress_begin(in, (enum codec)_i, strbuf_slice(&packed), DECOMPRESS_STRICT, 10 << 20);
	while ((err = decompress_next(in, &piece)) == OK && piece.len != 0) {
		ck_assert_uint_le(piece.len, 64 << 10);
		seen += piece.len;
	}
	ck_assert_int_eq(err, ERR_TOO_LARGE);
	ck_assert_uint_le(seen, 10 << 20);
	free(data);
}
END_TEST

/* ---- what others write ---- */

#define HELLO SLICE_LIT("hello, hello, hello")

static void append_again(void)
{
	size_t len = packed.len;

	strbuf_reserve(&packed, len);
	strbuf_add(&packed, packed.ptr, len);
}

static void check_unpacks(int codec, enum decompress_mode mode, const char *want)
{
	ck_assert_int_eq(unpack_mode(codec, strbuf_slice(&packed), mode, OUT_MAX), OK);
	ck_assert_str_eq(strbuf_cstr(&plain), want);
}

START_TEST(gzip_of_several_members)
{
	ck_assert_int_eq(pack(CODEC_GZIP, HELLO, 100, SIZE_MAX), OK);
	append_again();
	check_unpacks(CODEC_GZIP, DECOMPRESS_STRICT, "hello, hello, hellohello, hello, hello");
	strbuf_add_str(&packed, "rubbish");		/* behind the last member: not looked at */
	check_unpacks(CODEC_GZIP, DECOMPRESS_STRICT, "hello, hello, hellohello, hello, hello");
}
END_TEST

START_TEST(snappy_raw_and_concatenated)
{
	static const char block[] = "\x05\x10hello";

	ck_assert_int_eq(unpack(CODEC_SNAPPY, slice_of(block, 7)), OK);
	ck_assert_str_eq(strbuf_cstr(&plain), "hello");
	ck_assert_int_eq(pack(CODEC_SNAPPY, HELLO, 100, SIZE_MAX), OK);
	append_again();
	check_unpacks(CODEC_SNAPPY, DECOMPRESS_STRICT, "hello, hello, hellohello, hello, hello");
	strbuf_add_str(&packed, "xyz");			/* not even a block's length */
	ck_assert_int_eq(unpack(CODEC_SNAPPY, strbuf_slice(&packed)), ERR_CORRUPT);
}
END_TEST

START_TEST(snappy_that_lies_about_its_size)
{
	/* 4 GiB announced by seven bytes: refused before memory is taken for it */
	ck_assert_int_eq(unpack(CODEC_SNAPPY, slice_of("\xff\xff\xff\xff\x0f\x00x", 7)), ERR_CORRUPT);
}
END_TEST

static void pack_lz4_frame(LZ4F_preferences_t *p, struct slice data)
{
	size_t bound = LZ4F_compressFrameBound(data.len, p);

	strbuf_reset(&packed);
	strbuf_reserve(&packed, bound);
	packed.len = LZ4F_compressFrame(packed.ptr, bound, data.ptr, data.len, p);
	ck_assert(!LZ4F_isError(packed.len));
}

START_TEST(lz4_frames_of_other_writers)
{
	uint8_t *data = sample(300000, 4);

	for (int i = 0; i < 32; i++) {
		LZ4F_preferences_t p = { .autoFlush = 1 };
		bool is_dependent = (i & 1) != 0;
		p.frameInfo.blockMode = is_dependent ? LZ4F_blockLinked : LZ4F_blockIndependent;
		p.frameInfo.blockChecksumFlag = (i & 2) != 0 ? LZ4F_blockChecksumEnabled : LZ4F_noBlockChecksum;
		p.frameInfo.contentChecksumFlag = (i & 4) != 0 ? LZ4F_contentChecksumEnabled : LZ4F_noContentChecksum;
		p.frameInfo.contentSize = (i & 8) != 0 ? 300000 : 0;
		p.frameInfo.blockSizeID = (i & 16) != 0 ? LZ4F_max4MB : LZ4F_max64KB;
		pack_lz4_frame(&p, slice_of(data, 300000));
		/* liblz4 makes a single block independent, whatever was asked for */
		bool is_refused = (packed.ptr[4] & 0x20) == 0;
		ck_assert_int_eq(unpack(CODEC_LZ4, strbuf_slice(&packed)), is_refused ? ERR_CORRUPT : OK);
		ck_assert_int_eq(unpack_mode(CODEC_LZ4, strbuf_slice(&packed), DECOMPRESS_LENIENT, OUT_MAX), OK);
		ck_assert(slice_eq(strbuf_slice(&plain), slice_of(data, 300000)));
		if ((i & 2) != 0) {
			packed.ptr[packed.len / 2] ^= 1;	/* the block checksum is verified */
			ck_assert_int_eq(unpack_mode(CODEC_LZ4, strbuf_slice(&packed), DECOMPRESS_LENIENT, OUT_MAX), ERR_CORRUPT);
		}
	}
	free(data);
}
END_TEST

START_TEST(lz4_ignores_what_kafka_ignores)
{
	LZ4F_preferences_t p = { .frameInfo = { .blockMode = LZ4F_blockIndependent, .contentChecksumFlag = LZ4F_contentChecksumEnabled } };

	pack_lz4_frame(&p, HELLO);
	packed.ptr[packed.len - 1] ^= 1;		/* the content checksum */
	check_unpacks(CODEC_LZ4, DECOMPRESS_STRICT, "hello, hello, hello");
	append_again();					/* a second frame */
	check_unpacks(CODEC_LZ4, DECOMPRESS_STRICT, "hello, hello, hello");
}
END_TEST

START_TEST(lz4_headers_that_are_refused)
{
	static const struct { int at; uint8_t flip; } flips[] = {
		{ 0, 1 }, { 4, 0x80 }, { 4, 0x02 }, { 4, 0x01 }, { 5, 0x80 }, { 5, 0x01 }, { 5, 0x40 }, { 6, 0x01 },
	};

	for (size_t i = 0; i < ARRAY_LEN(flips); i++) {
		ck_assert_int_eq(pack(CODEC_LZ4, HELLO, 100, SIZE_MAX), OK);
		uint8_t *p = (uint8_t *)packed.ptr;
		p[flips[i].at] ^= flips[i].flip;
		if (flips[i].at != 6)			/* the checksum shall not be what is wrong */
			p[6] = (uint8_t)(xxh32(p + 4, 2) >> 8);
		ck_assert_int_eq(unpack_mode(CODEC_LZ4, strbuf_slice(&packed), DECOMPRESS_LENIENT, OUT_MAX), ERR_CORRUPT);
	}
}
END_TEST

START_TEST(zstd_of_several_frames)
{
	static const char skippable[] = "\x50\x2a\x4d\x18\x03\x00\x00\x00xyz";

	ck_assert_int_eq(pack(CODEC_ZSTD, HELLO, 100, SIZE_MAX), OK);
	strbuf_add(&packed, skippable, sizeof(skippable) - 1);
	check_unpacks(CODEC_ZSTD, DECOMPRESS_STRICT, "hello, hello, hello");
	append_again();
	check_unpacks(CODEC_ZSTD, DECOMPRESS_STRICT, "hello, hello, hellohello, hello, hello");
}
END_TEST

START_TEST(xxh32_known_values)
{
	ck_assert_uint_eq(xxh32("", 0), 0x02cc5d05u);
	ck_assert_uint_eq(xxh32("a", 1), 0x550d7456u);
	ck_assert_uint_eq(xxh32("abc", 3), 0x32d153ffu);
	ck_assert_uint_eq(xxh32("Nobody inspects the spammish repetition", 39), 0xe2293b2fu);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("compress");
	TCase *t = tcase_create("compress");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, what_is_written_reads_back, 0, CODEC_COUNT);
	tcase_add_test(t, the_form_is_kafkas);
	tcase_add_loop_test(t, writing_stops_at_its_limit, 0, CODEC_COUNT);
	tcase_add_loop_test(t, a_cut_stream_is_damage, 1, CODEC_COUNT);
	tcase_add_loop_test(t, rubbish_is_no_stream, 1, CODEC_COUNT);
	tcase_add_loop_test(t, flipped_bits_do_no_harm, 1, CODEC_COUNT);
	tcase_add_loop_test(t, a_bomb_is_stopped, 1, CODEC_COUNT);
	tcase_add_test(t, gzip_of_several_members);
	tcase_add_test(t, snappy_raw_and_concatenated);
	tcase_add_test(t, snappy_that_lies_about_its_size);
	tcase_add_test(t, lz4_frames_of_other_writers);
	tcase_add_test(t, lz4_ignores_what_kafka_ignores);
	tcase_add_test(t, lz4_headers_that_are_refused);
	tcase_add_test(t, zstd_of_several_frames);
	tcase_add_test(t, xxh32_known_values);
	suite_add_tcase(s, t);
	return test_main(s);
}
