/* The histogram of the benches: no value comes back smaller, none much larger, and shares are counted to the record. */
#include <check.h>
#include <stdlib.h>

#include "bench/histogram.h"

static struct histogram *fresh(void) { return mem_calloc(1, sizeof(struct histogram)); }

/* Alone in a histogram a value is its greatest and so exact; beside a greater one its slot tells it. */
static uint64_t as_told(uint64_t value)
{
	struct histogram *h = fresh();

	histogram_add(h, value);
	histogram_add(h, HISTOGRAM_MAX);
	uint64_t told = histogram_at(h, 0.5);
	free(h);
	return told;
}

START_TEST(values_come_back)
{
	for (int bit = 0; bit < 41; bit++) {
		for (int64_t around = -2; around <= 2; around++) {
			int64_t v = (INT64_C(1) << bit) + around;
			if (v < 0 || v > (int64_t)HISTOGRAM_MAX)
				continue;
			uint64_t told = as_told((uint64_t)v);
			ck_assert_msg(told >= (uint64_t)v && told - (uint64_t)v <= (uint64_t)v / 128, "%lld: %llu", (long long)v, (unsigned long long)told);
		}
	}
	for (uint64_t v = 1; v < HISTOGRAM_MAX; v = v * 17 / 16 + 1) {
		uint64_t told = as_told(v);
		ck_assert_msg(told >= v && told - v <= v / 128, "%llu: %llu", (unsigned long long)v, (unsigned long long)told);
	}
}
END_TEST

START_TEST(small_values_are_exact)
{
	for (uint64_t v = 0; v < 256; v++)
		ck_assert_uint_eq(as_told(v), v);
}
END_TEST

START_TEST(shares)
{
	struct histogram *h = fresh();

	ck_assert_uint_eq(histogram_at(h, 0.5), 0);
	for (uint64_t v = 1; v <= 100; v++)
		histogram_add(h, v);
	ck_assert_uint_eq(histogram_at(h, 0), 1);
	ck_assert_uint_eq(histogram_at(h, 0.01), 1);
	ck_assert_uint_eq(histogram_at(h, 0.5), 50);
	ck_assert_uint_eq(histogram_at(h, 0.501), 51);
	ck_assert_uint_eq(histogram_at(h, 0.99), 99);
	ck_assert_uint_eq(histogram_at(h, 0.991), 100);
	ck_assert_uint_eq(histogram_at(h, 1), 100);
	ck_assert_uint_eq(h->count, 100);
	ck_assert_uint_eq(h->sum, 5050);
	ck_assert(h->min == 1 && h->max == 100);
	free(h);
}
END_TEST

START_TEST(one_in_ten_thousand)
{
	struct histogram *h = fresh();

	for (int i = 0; i < 9999; i++)
		histogram_add(h, 100);
	histogram_add(h, 200000000);
	ck_assert_uint_eq(histogram_at(h, 0.9999), 100);
	ck_assert_uint_eq(histogram_at(h, 1), 200000000);
	histogram_add(h, 200000000);
	ck_assert_uint_eq(histogram_at(h, 0.9999), 200000000);
	free(h);
}
END_TEST

START_TEST(what_is_too_long_counts_as_the_longest)
{
	struct histogram *h = fresh();

	histogram_add(h, UINT64_MAX);
	ck_assert_uint_eq(h->max, HISTOGRAM_MAX);
	ck_assert_uint_eq(histogram_at(h, 0.5), HISTOGRAM_MAX);
	free(h);
}
END_TEST

START_TEST(two_are_one)
{
	struct histogram *a = fresh(), *b = fresh(), *both = fresh();

	histogram_merge(a, b);
	ck_assert(a->count == 0 && a->max == 0);
	for (uint64_t v = 1; v < 100000; v = v * 3 / 2 + 1) {
		histogram_add(v % 2 == 0 ? a : b, v);
		histogram_add(both, v);
	}
	histogram_merge(a, b);
	ck_assert(memcmp(a, both, sizeof(*a)) == 0);
	free(a);
	free(b);
	free(both);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("histogram");
	TCase *t = tcase_create("histogram");

	tcase_add_test(t, values_come_back);
	tcase_add_test(t, small_values_are_exact);
	tcase_add_test(t, shares);
	tcase_add_test(t, one_in_ten_thousand);
	tcase_add_test(t, what_is_too_long_counts_as_the_longest);
	tcase_add_test(t, two_are_one);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
