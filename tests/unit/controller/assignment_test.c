/*
 * Replica placement against what Apache Kafka answered: tests/golden/cluster/assignments.txt.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/assignment.h"

#define BROKERS_MAX 16

/* "3:r1,5:r0" or "3,5" */
static int read_brokers(struct cluster_broker *b, char *text)
{
	int n = 0;

	for (char *save, *one = strtok_r(text, ",", &save); one != NULL; one = strtok_r(NULL, ",", &save)) {
		char *colon = strchr(one, ':');

		ck_assert_int_lt(n, BROKERS_MAX);
		memset(&b[n], 0, sizeof(b[n]));
		b[n].id = atoi(one);
		b[n].has_rack = colon != NULL;
		if (colon != NULL)
			snprintf(b[n].rack, sizeof(b[n].rack), "%s", colon + 1);
		n++;
	}
	return n;
}

static void check_line(char *line)
{
	struct cluster_broker brokers[BROKERS_MAX];
	int32_t want[1000], have[1000];
	char *save, *replicas;
	int n = read_brokers(brokers, strtok_r(line, " ", &save));
	uint32_t start = (uint32_t)atoi(strtok_r(NULL, " ", &save));
	int32_t first = atoi(strtok_r(NULL, " ", &save)), factor = atoi(strtok_r(NULL, " ", &save)), count = 0;

	while ((replicas = strtok_r(NULL, " \n", &save)) != NULL) {
		for (char *inner, *one = strtok_r(replicas, ",", &inner); one != NULL; one = strtok_r(NULL, ",", &inner))
			want[count++] = atoi(one);
	}
	ck_assert_int_eq(count % factor, 0);
	ck_assert_int_eq(assign_replicas(have, count / factor, factor, first, brokers, n, start, start), OK);
	for (int32_t i = 0; i < count; i++)
		ck_assert_msg(have[i] == want[i], "brokers %d, start %u, first %d, factor %d: replica %d of partition %d is %d, not %d", n, start, first,
		              factor, i % factor, first + i / factor, have[i], want[i]);
}

START_TEST(as_kafka_places_them)
{
	const char *dir = getenv("SKEIN_TEST_DATA");
	char path[1024], line[4096];
	int n = 0;

	snprintf(path, sizeof(path), "%s/golden/cluster/assignments.txt", dir != NULL ? dir : "tests");
	FILE *f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	for (; fgets(line, sizeof(line), f) != NULL; n++)
		check_line(line);
	fclose(f);
	ck_assert_int_eq(n, 300);
}
END_TEST

START_TEST(some_with_a_rack_and_some_without)
{
	struct cluster_broker brokers[2] = { { .id = 1, .has_rack = true, .rack = "a" }, { .id = 2 } };
	int32_t replicas[2];

	ck_assert_int_eq(assign_replicas(replicas, 1, 2, 0, brokers, 2, 0, 0), ERR_INVALID);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("assignment");
	TCase *t = tcase_create("placement");

	tcase_add_test(t, as_kafka_places_them);
	tcase_add_test(t, some_with_a_rack_and_some_without);
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
