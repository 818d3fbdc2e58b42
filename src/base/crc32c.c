/*
 * Three kernels for CRC-32C, each checked against the others by tests/unit/base/crc32c_test.c.
 *
 * A CRC register is a polynomial over GF(2) modulo P, bit-reflected: bit 31 is x^0. All kernels work on the register
 * itself; crc32c() does the inversions before and after.
 *
 *   tables   eight bytes per step through eight tables; needs nothing of the processor
 *   sse4.2   the crc32 instruction has three cycles latency and one cycle throughput: three chains run side by side over
 *            neighbouring blocks, and a carry-less multiplication by x^(8n-33) moves a register over the n bytes that follow
 *   avx512   folds 256 bytes per step, 64 at a time, with carry-less multiplications; what is left (64 bytes that are
 *            congruent to everything before them) goes through the instruction
 *
 * Constants are computed at start, not written down: a table of magic numbers proves nothing to its reader.
 */
#include "base/crc32c.h"

#include <string.h>

#if defined(__x86_64__)
#define CRC_X86 1
#include <immintrin.h>
#endif

#define POLY 0x82f63b78u	/* 0x1edc6f41, reflected */

typedef uint32_t crc_kernel(uint32_t reg, const uint8_t *p, size_t len);

static uint32_t crc_table[8][256];

static void crc_tables_init(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t v = i;
		for (int k = 0; k < 8; k++)
			v = (v >> 1) ^ ((v & 1) != 0 ? POLY : 0);
		crc_table[0][i] = v;
	}
	for (int t = 1; t < 8; t++)
		for (int i = 0; i < 256; i++) {
			uint32_t v = crc_table[t - 1][i];
			crc_table[t][i] = (v >> 8) ^ crc_table[0][v & 0xff];
		}
}

static uint32_t crc_by_tables(uint32_t reg, const uint8_t *p, size_t len)
{
	for (; len >= 8; p += 8, len -= 8) {
		uint64_t v;
		memcpy(&v, p, 8);
		v ^= reg;
		reg = crc_table[7][v & 0xff] ^ crc_table[6][v >> 8 & 0xff] ^
		      crc_table[5][v >> 16 & 0xff] ^ crc_table[4][v >> 24 & 0xff] ^
		      crc_table[3][v >> 32 & 0xff] ^ crc_table[2][v >> 40 & 0xff] ^
		      crc_table[1][v >> 48 & 0xff] ^ crc_table[0][v >> 56];
	}
	for (; len > 0; p++, len--)
		reg = (reg >> 8) ^ crc_table[0][(reg ^ *p) & 0xff];
	return reg;
}

#ifdef CRC_X86
/* a * b mod P */
static uint32_t poly_mul(uint32_t a, uint32_t b)
{
	uint32_t sum = 0;

	for (; a != 0; a <<= 1) {
		if ((a & 0x80000000u) != 0)
			sum ^= b;
		b = (b >> 1) ^ ((b & 1) != 0 ? POLY : 0);
	}
	return sum;
}

/* x^n mod P */
static uint32_t poly_power(uint32_t n)
{
	uint32_t result = 0x80000000u, square = 0x40000000u;	/* x^0 and x^1 */

	for (; n != 0; n >>= 1) {
		if ((n & 1) != 0)
			result = poly_mul(result, square);
		square = poly_mul(square, square);
	}
	return result;
}

#define LONG_BLOCK  1024	/* bytes of each chain */
#define SHORT_BLOCK 128

/* What moves a register over n bytes: the instruction multiplies by x^32, the reflected product has one x too many. */
struct chain_shift {
	uint32_t over_one, over_two;	/* over one block, over two */
};
static struct chain_shift long_shift, short_shift;

static struct chain_shift chain_shift_make(uint32_t block)
{
	return (struct chain_shift){ poly_power(8 * block - 33), poly_power(16 * block - 33) };
}

#define TARGET_SSE __attribute__((target("sse4.2,pclmul")))

TARGET_SSE static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

TARGET_SSE static inline uint64_t clmul(uint32_t a, uint32_t b)
{
	__m128i product = _mm_clmulepi64_si128(_mm_cvtsi32_si128((int)a), _mm_cvtsi32_si128((int)b), 0);

	return (uint64_t)_mm_cvtsi128_si64(product);
}

/* Three chains over p[0..3*block): returns the register after all of them. */
TARGET_SSE static inline uint32_t crc_three_chains(uint32_t reg, const uint8_t *p, size_t block, struct chain_shift shift)
{
	uint64_t a = reg, b = 0, c = 0;

	for (size_t i = 0; i < block; i += 8) {
		a = _mm_crc32_u64(a, load64(p + i));
		b = _mm_crc32_u64(b, load64(p + block + i));
		c = _mm_crc32_u64(c, load64(p + 2 * block + i));
	}
	uint64_t moved = clmul((uint32_t)a, shift.over_two) ^ clmul((uint32_t)b, shift.over_one);
	return (uint32_t)(_mm_crc32_u64(0, moved) ^ c);
}

TARGET_SSE static uint32_t crc_by_sse(uint32_t reg, const uint8_t *p, size_t len)
{
	for (; len >= 3 * LONG_BLOCK; p += 3 * LONG_BLOCK, len -= 3 * LONG_BLOCK)
		reg = crc_three_chains(reg, p, LONG_BLOCK, long_shift);
	for (; len >= 3 * SHORT_BLOCK; p += 3 * SHORT_BLOCK, len -= 3 * SHORT_BLOCK)
		reg = crc_three_chains(reg, p, SHORT_BLOCK, short_shift);

	uint64_t wide = reg;
	for (; len >= 8; p += 8, len -= 8)
		wide = _mm_crc32_u64(wide, load64(p));
	reg = (uint32_t)wide;
	for (; len > 0; p++, len--)
		reg = _mm_crc32_u8(reg, *p);
	return reg;
}

#define TARGET_AVX512 __attribute__((target("avx512f,avx512vl,avx512dq,vpclmulqdq,pclmul,sse4.2")))
#define FOLD_STEP 256		/* bytes per step: four registers of 64 */
#define FOLD_MIN  512		/* below, setting up costs more than it gains */

/*
 * Per 128 bits, the low half stands 64 powers above the high one. Moving both by d bits multiplies the low half by
 * x^(d+64) and the high half by x^d; 33 less, because a 32-bit constant in a 64-bit lane already stands for 32
 * powers more and the reflected product for one.
 */
struct fold {
	uint64_t low, high;
};
static struct fold fold_step, fold_one;		/* over FOLD_STEP bytes, over 64 bytes */

static struct fold fold_make(uint32_t bytes)
{
	return (struct fold){ poly_power(8 * bytes + 64 - 33), poly_power(8 * bytes - 33) };
}

TARGET_AVX512 static inline __m512i fold(__m512i acc, __m512i k, __m512i next)
{
	__m512i low = _mm512_clmulepi64_epi128(acc, k, 0x00);
	__m512i high = _mm512_clmulepi64_epi128(acc, k, 0x11);

	return _mm512_ternarylogic_epi64(low, high, next, 0x96);	/* exclusive or of the three */
}

TARGET_AVX512 static inline __m512i fold_constant(struct fold f)
{
	return _mm512_broadcast_i32x4(_mm_set_epi64x((int64_t)f.high, (int64_t)f.low));
}

TARGET_AVX512 static uint32_t crc_by_avx512(uint32_t reg, const uint8_t *p, size_t len)
{
	if (len < FOLD_MIN)
		return crc_by_sse(reg, p, len);

	__m512i k = fold_constant(fold_step);
	__m512i a = _mm512_loadu_si512(p), b = _mm512_loadu_si512(p + 64);
	__m512i c = _mm512_loadu_si512(p + 128), d = _mm512_loadu_si512(p + 192);

	a = _mm512_xor_si512(a, _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)reg)));
	p += FOLD_STEP, len -= FOLD_STEP;
	for (; len >= FOLD_STEP; p += FOLD_STEP, len -= FOLD_STEP) {
		a = fold(a, k, _mm512_loadu_si512(p));
		b = fold(b, k, _mm512_loadu_si512(p + 64));
		c = fold(c, k, _mm512_loadu_si512(p + 128));
		d = fold(d, k, _mm512_loadu_si512(p + 192));
	}
	k = fold_constant(fold_one);
	a = fold(a, k, b);
	a = fold(a, k, c);
	a = fold(a, k, d);
	for (; len >= 64; p += 64, len -= 64)
		a = fold(a, k, _mm512_loadu_si512(p));

	uint8_t rest[64];
	_mm512_storeu_si512(rest, a);
	return crc_by_sse(crc_by_sse(0, rest, sizeof(rest)), p, len);
}
#endif

static const struct crc_choice {
	const char *name;
	crc_kernel *run;
} crc_choices[] = {		/* the best one last */
	{ "tables", crc_by_tables },
#ifdef CRC_X86
	{ "sse4.2", crc_by_sse },
	{ "avx512", crc_by_avx512 },
#endif
};
static const struct crc_choice *crc_chosen;

static bool crc_is_usable(size_t choice)
{
#ifdef CRC_X86
	__builtin_cpu_init();
	if (choice >= 1 && !(__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul")))
		return false;
	if (choice >= 2 && !(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
			     __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("vpclmulqdq")))
		return false;
#endif
	return choice < ARRAY_LEN(crc_choices);
}

/* Before every other constructor, which might checksum something. */
__attribute__((constructor(101))) static void crc_choose(void)
{
	crc_tables_init();
#ifdef CRC_X86
	long_shift = chain_shift_make(LONG_BLOCK);
	short_shift = chain_shift_make(SHORT_BLOCK);
	fold_step = fold_make(FOLD_STEP);
	fold_one = fold_make(64);
#endif
	for (size_t i = 0; i < ARRAY_LEN(crc_choices) && crc_is_usable(i); i++)
		crc_chosen = &crc_choices[i];
}

uint32_t crc32c(uint32_t crc, const void *p, size_t len)
{
	return ~crc_chosen->run(~crc, p, len);
}

const char *crc32c_kernel(void)
{
	return crc_chosen->name;
}
