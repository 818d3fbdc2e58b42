/*
 * The rules of the active side that are pure functions: in-sync claims, in Kafka's order of checks; what a reassignment makes of an assignment, and when it is complete; imbalance.
 * The claims and their verdicts are those that a Kafka 3.9.1 controller gave to hand-made requests.
 */
#include <check.h>
#include <stdlib.h>

#include "controller/active_priv.h"

#define IDS(...) { .ids = (int32_t[]){ __VA_ARGS__ }, .count = (int32_t)(sizeof((int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t)) }
#define NO_IDS { .count = 0 }

/* --- in-sync claims ------------------------------------------------------------------------------------------------------------------ */

static const struct claim_case {
	const char      *what;
	int32_t          leader, leader_epoch, partition_epoch;
	struct id_list   isr;
	bool             is_recovering, are_dead, was_recovering;
	int16_t          version;
	enum kafka_error error;
	bool             is_met;
} claims[] = {	/* the partition: leader 2, leader epoch 4, partition epoch 6, in-sync 2, 1 */
	{ "shrink", 2, 4, 6, IDS(2), .version = 3, .error = NONE },
	{ "expand", 2, 4, 6, IDS(2, 1, 3), .version = 3, .error = NONE },
	{ "another order is another set", 2, 4, 6, IDS(1, 2), .version = 3, .error = NONE },
	{ "as it is", 2, 4, 6, IDS(2, 1), .version = 3, .error = NONE, .is_met = true },
	{ "as it is, with an older partition epoch", 2, 4, 5, IDS(2, 1), .version = 3, .error = NONE, .is_met = true },
	{ "as it is, but for the partition epoch ahead", 2, 4, 7, IDS(2, 1), .version = 3, .error = NOT_CONTROLLER, .is_met = true },
	{ "partition epoch ahead", 2, 4, 7, IDS(2), .version = 3, .error = NOT_CONTROLLER },
	{ "leader epoch ahead", 2, 5, 6, IDS(2), .version = 3, .error = NOT_CONTROLLER },
	{ "leader epoch ahead, partition epoch behind", 2, 5, 5, IDS(2), .version = 3, .error = NOT_CONTROLLER },
	{ "partition epoch ahead, leader epoch behind", 2, 3, 7, IDS(2), .version = 3, .error = NOT_CONTROLLER },
	{ "leader epoch behind", 2, 3, 6, IDS(2), .version = 3, .error = FENCED_LEADER_EPOCH },
	{ "leader epoch behind, the same set", 2, 3, 6, IDS(2, 1), .version = 3, .error = FENCED_LEADER_EPOCH },
	{ "partition epoch behind", 2, 4, 5, IDS(2), .version = 3, .error = INVALID_UPDATE_VERSION },
	{ "partition epoch behind, and a dead member", 2, 4, 5, IDS(2, 9), .are_dead = true, .version = 3, .error = INVALID_UPDATE_VERSION },
	{ "the sender does not lead: it does then", 1, 4, 6, IDS(2, 1), .version = 3, .error = NONE },
	{ "a dead member", 2, 4, 6, IDS(2, 9), .are_dead = true, .version = 3, .error = INELIGIBLE_REPLICA },
	{ "a dead member, version 2", 2, 4, 6, IDS(2, 9), .are_dead = true, .version = 2, .error = INELIGIBLE_REPLICA },
	{ "a dead member, version 1", 2, 4, 6, IDS(2, 9), .are_dead = true, .version = 1, .error = OPERATION_NOT_ATTEMPTED },
	{ "a dead member, version 0", 2, 4, 6, IDS(2, 9), .are_dead = true, .version = 0, .error = OPERATION_NOT_ATTEMPTED },
	{ "recovered is not recovering again", 2, 4, 6, IDS(2), .is_recovering = true, .version = 3, .error = INVALID_REQUEST },
	{ "recovering with two", 2, 4, 6, IDS(2, 3), .is_recovering = true, .was_recovering = true, .version = 3, .error = INVALID_REQUEST },
	{ "recovering with two, one dead", 2, 4, 6, IDS(2, 3), .is_recovering = true, .was_recovering = true, .are_dead = true, .version = 3, .error = INVALID_REQUEST },
	{ "recovering with one", 2, 4, 6, IDS(2), .is_recovering = true, .was_recovering = true, .version = 3, .error = NONE },
	{ "recovered, with two", 2, 4, 6, IDS(2, 1), .was_recovering = true, .version = 3, .error = NONE },
};

START_TEST(claim_of_a_leader)
{
	const struct claim_case *x = &claims[_i];
	struct active_partition p = {
		.has_leadership = true, .leader = 2, .leader_epoch = 4, .partition_epoch = 6, .isr = IDS(2, 1), .is_recovering = x->was_recovering,
	};
	struct isr_claim claim = {
		.leader = x->leader, .leader_epoch = x->leader_epoch, .partition_epoch = x->partition_epoch, .is_recovering = x->is_recovering,
		.isr = x->isr.ids, .isr_count = x->isr.count,
	};

	ck_assert_msg(isr_claim_check(&claim, &p, !x->are_dead, x->version) == x->error, "%s: %s", x->what,
	              kafka_error_name((int16_t)isr_claim_check(&claim, &p, !x->are_dead, x->version)));
	ck_assert_msg(isr_claim_is_met(&claim, &p) == x->is_met, "%s", x->what);
	ck_assert_int_eq(isr_claim_check(&claim, NULL, true, x->version), UNKNOWN_TOPIC_OR_PARTITION);
	p.has_leadership = false;
	ck_assert_int_eq(isr_claim_check(&claim, &p, true, x->version), UNKNOWN_TOPIC_OR_PARTITION);
}
END_TEST

/* --- assignments ----------------------------------------------------------------------------------------------------------------------- */

static void check_ids(const char *what, const int32_t *have, int32_t have_count, const struct id_list *want)
{
	ck_assert_msg(have_count == want->count, "%s: %d ids", what, have_count);
	for (int32_t i = 0; i < have_count; i++)
		ck_assert_msg(have[i] == want->ids[i], "%s: at %d: %d", what, i, have[i]);
}

static const struct move_case {
	const char    *what;
	struct id_list replicas, adding, removing;	/* now */
	bool           is_cancel;
	struct id_list target;
	struct id_list next_replicas, next_adding, next_removing;
} moves[] = {
	{ "move one", IDS(1, 2), NO_IDS, NO_IDS, false, IDS(3, 1), IDS(3, 1, 2), IDS(3), IDS(2) },
	{ "all others", IDS(1), NO_IDS, NO_IDS, false, IDS(2, 3), IDS(2, 3, 1), IDS(2, 3), IDS(1) },
	{ "more of them", IDS(1, 2), NO_IDS, NO_IDS, false, IDS(1, 2, 3), IDS(1, 2, 3), IDS(3), NO_IDS },
	{ "fewer of them", IDS(1, 2, 3), NO_IDS, NO_IDS, false, IDS(2), IDS(2, 1, 3), NO_IDS, IDS(1, 3) },
	{ "another order", IDS(1, 2), NO_IDS, NO_IDS, false, IDS(2, 1), IDS(2, 1), NO_IDS, NO_IDS },
	{ "as it is", IDS(1, 2), NO_IDS, NO_IDS, false, IDS(1, 2), IDS(1, 2), NO_IDS, NO_IDS },
	{ "again the same", IDS(3, 1, 2), IDS(3), IDS(2), false, IDS(3, 1), IDS(3, 1, 2), IDS(3), IDS(2) },
	{ "superseded", IDS(3, 1, 2), IDS(3), IDS(2), false, IDS(4, 1), IDS(4, 1, 2), IDS(4), IDS(2) },
	{ "superseded, one is kept", IDS(3, 4, 1, 2), IDS(3, 4), IDS(1, 2), false, IDS(4), IDS(4, 1, 2), IDS(4), IDS(1, 2) },
	{ "superseded by where it was", IDS(3, 1, 2), IDS(3), IDS(2), false, IDS(1, 2), IDS(1, 2), NO_IDS, NO_IDS },
	{ "cancelled", IDS(2, 1, 3), IDS(2), IDS(3), true, NO_IDS, IDS(1, 3), NO_IDS, NO_IDS },
	{ "cancelled, nothing was to go", IDS(1, 2, 3), IDS(3), NO_IDS, true, NO_IDS, IDS(1, 2), NO_IDS, NO_IDS },
	{ "cancelled, nothing was to come", IDS(2, 1, 3), NO_IDS, IDS(1, 3), true, NO_IDS, IDS(2, 1, 3), NO_IDS, NO_IDS },
};

START_TEST(assignment_of_a_wish)
{
	const struct move_case *x = &moves[_i];
	struct active_partition p = { .replicas = x->replicas, .adding = x->adding, .removing = x->removing };
	struct active_assignment to;

	active_assignment_to(&to, &p, x->is_cancel ? NULL : x->target.ids, x->target.count);
	check_ids(x->what, to.replicas, to.replica_count, &x->next_replicas);
	check_ids(x->what, to.adding, to.adding_count, &x->next_adding);
	check_ids(x->what, to.removing, to.removing_count, &x->next_removing);
	struct active_partition next = { .replicas = x->next_replicas, .adding = x->next_adding, .removing = x->next_removing };
	ck_assert(active_assignment_is_of(&to, &next));
	active_assignment_fini(&to);

	active_assignment_copy(&to, &p);
	ck_assert(active_assignment_is_of(&to, &p));
	active_assignment_fini(&to);

	active_assignment_target(&to, &next);	/* when it is done it is what was wished */
	if (!x->is_cancel)
		check_ids(x->what, to.replicas, to.replica_count, &x->target);
	ck_assert_int_eq(to.adding_count + to.removing_count, 0);
	active_assignment_fini(&to);
}
END_TEST

START_TEST(completeness)
{
	struct active_partition p = { .replicas = IDS(3, 1, 2), .adding = IDS(3), .removing = IDS(2) };

	ck_assert(active_has_changes(&p));
	ck_assert(active_covers_target(&p, (int32_t[]){ 1, 2, 3 }, 3));
	ck_assert(active_covers_target(&p, (int32_t[]){ 1, 3 }, 2));
	ck_assert(!active_covers_target(&p, (int32_t[]){ 1, 2 }, 2));
	ck_assert(!active_covers_target(&p, (int32_t[]){ 3 }, 1));
	ck_assert(!active_covers_target(&p, NULL, 0));
	p = (struct active_partition){ .replicas = IDS(3, 1) };
	ck_assert(!active_has_changes(&p));
}
END_TEST

START_TEST(targets)
{
	ck_assert_ptr_null(active_target_problem((int32_t[]){ 3, 1, 2 }, 3));
	ck_assert_ptr_null(active_target_problem((int32_t[]){ 0 }, 1));
	ck_assert_ptr_nonnull(active_target_problem((int32_t[]){ 3, 1, 3 }, 3));
	ck_assert_ptr_nonnull(active_target_problem((int32_t[]){ 3, -1 }, 2));
	ck_assert_ptr_nonnull(active_target_problem(NULL, 0));
}
END_TEST

/* --- balance -------------------------------------------------------------------------------------------------------------------------------- */

START_TEST(imbalance)
{
	ck_assert(!active_is_imbalanced(10, 1, 10));	/* exactly the percentage is not above it */
	ck_assert(active_is_imbalanced(10, 2, 10));
	ck_assert(active_is_imbalanced(9, 1, 10));
	ck_assert(!active_is_imbalanced(10, 0, 0));
	ck_assert(active_is_imbalanced(1000, 1, 0));
	ck_assert(!active_is_imbalanced(3, 3, 100));
	ck_assert(!active_is_imbalanced(INT32_MAX, INT32_MAX / 10, 10));
	ck_assert(active_is_imbalanced(INT32_MAX, INT32_MAX, 99));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("active_rules");
	TCase *t = tcase_create("pure");

	tcase_add_loop_test(t, claim_of_a_leader, 0, (int)ARRAY_LEN(claims));
	tcase_add_loop_test(t, assignment_of_a_wish, 0, (int)ARRAY_LEN(moves));
	tcase_add_test(t, completeness);
	tcase_add_test(t, targets);
	tcase_add_test(t, imbalance);
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
