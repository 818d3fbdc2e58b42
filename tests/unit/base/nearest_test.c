/* Which known name a mistyped one was meant to be. */
#include <check.h>
#include <stdlib.h>

#include "base/nearest.h"

static const char *const known[] = { "orders", "payments", "order-lines", "retention.ms", "retention.bytes" };

static const char *nearest(const char *wanted)
{
	static char name[100];
	struct nearest n;

	nearest_init(&n, slice_str(wanted));
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		nearest_offer(&n, slice_str(known[i]));
	memcpy(name, slice_is_null(n.name) ? (const uint8_t *)"" : n.name.ptr, n.name.len);
	name[n.name.len] = '\0';
	return name;
}

START_TEST(a_letter_too_many_too_few_another_or_two_swapped)
{
	static const char *const table[][2] = {
		{ "orders", "orders" }, { "order", "orders" }, { "orderss", "orders" }, { "ordexs", "orders" }, { "paymnts", "payments" }, { "retention.m", "retention.ms" },
		{ "retention.byte", "retention.bytes" }, { "order.line", "order-lines" }, { "ordesr", "orders" }, { "odrers", "orders" }, { "odrres", "" }, { "retnetoin.ms", "retention.ms" }, { "x", "" }, { "", "" }, { "customers", "" } };

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		ck_assert_str_eq(nearest(table[i][0]), table[i][1]);
}
END_TEST

START_TEST(names_that_are_too_long_are_near_to_none)
{
	char longest[200];

	memset(longest, 'a', sizeof(longest));
	for (size_t len = 90; len < sizeof(longest); len++) {
		struct nearest n;
		nearest_init(&n, slice_of(longest, len));
		ck_assert(nearest_offer(&n, slice_of(longest, len)) == (len <= 96));
		nearest_init(&n, SLICE_LIT("a"));
		ck_assert(!nearest_offer(&n, slice_of(longest, len)));
	}
}
END_TEST

START_TEST(of_two_the_first)
{
	struct nearest n;

	nearest_init(&n, SLICE_LIT("abcd"));
	ck_assert(nearest_offer(&n, SLICE_LIT("abcx")));
	ck_assert(!nearest_offer(&n, SLICE_LIT("abcy")));
	ck_assert(slice_eq_str(n.name, "abcx"));
	ck_assert(nearest_offer(&n, SLICE_LIT("abcd")));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nearest");
	TCase *t = tcase_create("names");
	SRunner *r = srunner_create(s);

	tcase_add_test(t, a_letter_too_many_too_few_another_or_two_swapped);
	tcase_add_test(t, names_that_are_too_long_are_near_to_none);
	tcase_add_test(t, of_two_the_first);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
