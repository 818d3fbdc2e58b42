#include "client/range_assign.h"

#include <stdlib.h>

static int by_member(const void *a, const void *b)
{
	const struct range_member *x = a, *y = b;
	bool x_is_static = !slice_is_null(x->instance_id), y_is_static = !slice_is_null(y->instance_id);

	if (x_is_static != y_is_static)
		return x_is_static ? -1 : 1;
	return x_is_static ? slice_cmp(x->instance_id, y->instance_id) : slice_cmp(x->member_id, y->member_id);
}

void range_sort(struct range_member *members, int32_t count)
{
	if (count > 0)
		qsort(members, (size_t)count, sizeof(*members), by_member);
}

struct range range_of(int32_t i, int32_t count, int32_t partition_count)
{
	int32_t each = partition_count / count, more = partition_count % count;

	return (struct range){ .first = i * each + (i < more ? i : more), .count = each + (i < more) };
}
