/* Elections, as a table: the assignment and who is there, and who must lead, with what in-sync set, and who is told. */
#include <check.h>
#include <stdlib.h>

#include "controller/active_priv.h"

static const struct row {
	const char   *what;
	enum election how;
	bool          may_be_unclean;
	const char   *replicas, *isr, *online, *shutting_down;	/* a digit per broker */
	int32_t       leader;		/* -1: nobody */
	const char   *next_isr, *told;
	bool          is_unclean;
} rows[] = {
	{ "the first of the assignment, not of the in-sync set", ELECT_OFFLINE, false, "123", "321", "123", "", 1, "321", "123", false },
	{ "the first that is there", ELECT_OFFLINE, false, "123", "123", "23", "", 2, "23", "23", false },
	{ "there, but not in sync", ELECT_OFFLINE, false, "123", "13", "23", "", 3, "3", "23", false },
	{ "nobody in sync is there", ELECT_OFFLINE, false, "123", "1", "23", "", -1, "", "", false },
	{ "nobody in sync is there, unclean", ELECT_OFFLINE, true, "123", "1", "23", "", 2, "2", "23", true },
	{ "an admin's unclean election", ELECT_OFFLINE_UNCLEAN, true, "123", "1", "3", "", 3, "3", "3", true },
	{ "unclean allowed, not needed", ELECT_OFFLINE, true, "123", "12", "23", "", 2, "2", "23", false },
	{ "in sync and there, but not assigned: no loss is risked", ELECT_OFFLINE, true, "123", "4", "234", "", -1, "", "", false },
	{ "nobody is there", ELECT_OFFLINE, true, "123", "123", "", "", -1, "", "", false },
	{ "the preferred one", ELECT_PREFERRED, false, "213", "123", "123", "", 2, "123", "213", false },
	{ "preferred: all are told, there or not", ELECT_PREFERRED, false, "213", "12", "12", "", 2, "12", "213", false },
	{ "the preferred one is away", ELECT_PREFERRED, false, "213", "13", "13", "", -1, "", "", false },
	{ "the preferred one is not in sync", ELECT_PREFERRED, true, "213", "13", "123", "", -1, "", "", false },
	{ "reassigned: the set stays, the targets are told", ELECT_REASSIGN, false, "45", "1245", "1245", "", 4, "1245", "45", false },
	{ "reassigned: the next target", ELECT_REASSIGN, false, "45", "125", "125", "", 5, "125", "45", false },
	{ "reassigned: no target in sync", ELECT_REASSIGN, true, "45", "12", "1245", "", -1, "", "", false },
	{ "who shuts down leads no more", ELECT_SHUTDOWN, false, "123", "123", "123", "1", 2, "23", "123", false },
	{ "two shut down", ELECT_SHUTDOWN, false, "123", "123", "123", "12", 3, "3", "123", false },
	{ "only who shuts down is in sync", ELECT_SHUTDOWN, true, "123", "1", "123", "1", -1, "", "", false },
	{ "shut down: those away stay in the set", ELECT_SHUTDOWN, false, "123", "123", "12", "1", 2, "23", "12", false },
};

static int32_t digits(const char *text, int32_t *out)
{
	int32_t n = 0;

	for (; *text != 0; text++)
		out[n++] = *text - '0';
	return n;
}

static void check_ids(const char *what, const char *want, const int32_t *ids, int32_t n)
{
	int32_t wanted[8];

	ck_assert_msg(digits(want, wanted) == n && memcmp(wanted, ids, (size_t)n * sizeof(*ids)) == 0, "%s: not %s", what, want);
}

START_TEST(every_row)
{
	const struct row *row = &rows[_i];
	int32_t replicas[8], isr[8], online[8], leaving[8], next[9], told[8];
	struct elect_spec s = { .how = row->how, .may_be_unclean = row->may_be_unclean, .replicas = replicas, .isr = isr, .online = online, .shutting_down = leaving };
	struct elect_result r = { .isr = next, .recipients = told };

	s.replica_count = digits(row->replicas, replicas);
	s.isr_count = digits(row->isr, isr);
	s.online_count = digits(row->online, online);
	s.shutting_down_count = digits(row->shutting_down, leaving);
	bool found = elect_leader(&s, &r);
	ck_assert_msg(found == (row->leader >= 0), "%s", row->what);
	if (!found)
		return;
	ck_assert_msg(r.leader == row->leader, "%s: %d", row->what, r.leader);
	ck_assert_msg(r.is_unclean == row->is_unclean, "%s", row->what);
	check_ids(row->what, row->next_isr, r.isr, r.isr_count);
	check_ids(row->what, row->told, r.recipients, r.recipient_count);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("active_elect");
	TCase *t = tcase_create("elections");

	tcase_add_loop_test(t, every_row, 0, (int)ARRAY_LEN(rows));
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
