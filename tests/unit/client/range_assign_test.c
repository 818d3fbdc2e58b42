#include <check.h>
#include <stdlib.h>

#include "client/range_assign.h"

#define MEMBER(instance, id, at) { .instance_id = instance, .member_id = SLICE_LIT(id), .place = at }

/* As Java's RangeAssignor orders them: static members by instance id, then the others by member id. */
START_TEST(members_have_one_order)
{
	struct range_member m[] = {
		MEMBER(SLICE_NULL, "b", 0), MEMBER(SLICE_LIT("z"), "a", 1), MEMBER(SLICE_NULL, "a-1", 2), MEMBER(SLICE_LIT("y"), "c", 3), MEMBER(SLICE_NULL, "a", 4),
	};
	static const int32_t order[] = { 3, 1, 4, 2, 0 };

	range_sort(m, 5);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(m[i].place, order[i]);
	range_sort(m, 0);
}
END_TEST

START_TEST(each_partition_goes_to_one_member)
{
	for (int32_t members = 1; members < 12; members++) {
		for (int32_t partitions = 0; partitions < 40; partitions++) {
			int32_t next = 0;

			for (int32_t i = 0; i < members; i++) {
				struct range r = range_of(i, members, partitions);

				ck_assert_int_eq(r.first, next);
				ck_assert(r.count == partitions / members || r.count == partitions / members + 1);
				ck_assert(i == 0 || r.count <= range_of(i - 1, members, partitions).count);
				next += r.count;
			}
			ck_assert_int_eq(next, partitions);
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("range assignor");
	TCase *t = tcase_create("range");

	tcase_add_test(t, members_have_one_order);
	tcase_add_test(t, each_partition_goes_to_one_member);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
