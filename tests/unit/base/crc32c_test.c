/* Every kernel this processor has, against a bit-by-bit reference. Includes the .c: the kernels are static. */
#include "base/crc32c.c"

#include <check.h>
#include <stdlib.h>

static uint32_t crc_bitwise(uint32_t crc, const uint8_t *p, size_t len)
{
	crc = ~crc;
	for (; len > 0; p++, len--) {
		crc ^= *p;
		for (int k = 0; k < 8; k++)
			crc = (crc >> 1) ^ ((crc & 1) != 0 ? POLY : 0);
	}
	return ~crc;
}

static uint32_t crc_with(size_t choice, uint32_t crc, const uint8_t *p, size_t len)
{
	return ~crc_choices[choice].run(~crc, p, len);
}

START_TEST(known_values)
{
	static const uint8_t zeros[32], ones[32] = { [0 ... 31] = 0xff };

	for (size_t i = 0; i < ARRAY_LEN(crc_choices) && crc_is_usable(i); i++) {
		ck_assert_uint_eq(crc_with(i, 0, (const uint8_t *)"123456789", 9), 0xe3069283u);
		ck_assert_uint_eq(crc_with(i, 0, zeros, 32), 0x8a9136aau);	/* RFC 3720, B.4 */
		ck_assert_uint_eq(crc_with(i, 0, ones, 32), 0x62a8ab43u);
		ck_assert_uint_eq(crc_with(i, 0, zeros, 0), 0);
	}
	ck_assert_uint_eq(crc32c(0, "123456789", 9), 0xe3069283u);
}
END_TEST

#define BYTES 20000

static uint8_t *random_bytes(void)
{
	uint8_t *p = mem_alloc(BYTES);

	for (size_t i = 0; i < BYTES; i++)
		p[i] = (uint8_t)random();
	return p;
}

START_TEST(kernels_agree)
{
	uint8_t *p = random_bytes();

	for (size_t n = 0; n < 3000; n++) {
		size_t from = (size_t)random() % 128;
		/* all short lengths, then random ones around and beyond every block size */
		size_t len = n < 1200 ? n : (size_t)random() % (n % 2 == 0 ? BYTES - 128 : 2048);
		uint32_t seed = n % 3 == 0 ? 0 : (uint32_t)random();
		uint32_t want = crc_bitwise(seed, p + from, len);

		for (size_t i = 0; i < ARRAY_LEN(crc_choices) && crc_is_usable(i); i++)
			ck_assert_uint_eq(crc_with(i, seed, p + from, len), want);
	}
	free(p);
}
END_TEST

START_TEST(pieces_add_up)
{
	uint8_t *p = random_bytes();
	uint32_t want = crc_bitwise(0, p, BYTES);

	for (int n = 0; n < 300; n++) {
		uint32_t crc = 0;
		for (size_t at = 0; at < BYTES;) {
			size_t len = (size_t)random() % 5000;
			len = MIN(len, BYTES - at);
			crc = crc32c(crc, p + at, len);
			at += len;
		}
		ck_assert_uint_eq(crc, want);
	}
	free(p);
}
END_TEST

START_TEST(the_best_kernel_is_chosen)
{
	size_t best = 0;

	while (crc_is_usable(best + 1))
		best++;
	ck_assert_str_eq(crc32c_kernel(), crc_choices[best].name);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("crc32c");
	TCase *t = tcase_create("crc32c");

	tcase_add_test(t, known_values);
	tcase_add_test(t, kernels_agree);
	tcase_add_test(t, pieces_add_up);
	tcase_add_test(t, the_best_kernel_is_chosen);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
