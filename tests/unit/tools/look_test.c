/*
 * A look at a cluster whose brokers say whatever they like (unit/client/hostile.h): it comes to an end within its time, what it holds can be drawn, and it can be destroyed,
 * at any moment. Sanitizers see what is read amiss.
 */
#include "unit/client/hostile.h"

#include "look.h"
#include "top.h"

#define LOOK_STEPS 1500		/* each a millisecond; a look has 200 */

/* Every view at some size, with what is inside of the first row. */
static void draw_all(struct top *t, struct hostile *h)
{
	for (int view = 0; view < TOP_TABS; view++) {
		struct strbuf out = STRBUF_INIT;

		t->view = (enum top_view)view;
		top_draw(t, 5 + (int)below(h, 40), 20 + (int)below(h, 100), &out);
		ck_assert(top_key(t, below(h, 3) == 0 ? 's' : '\r', 24));
		top_draw(t, 24, 80, &out);
		strbuf_fini(&out);
		t->inside[0] = '\0';
	}
}

START_TEST(whatever_brokers_say)
{
	struct client_spec spec = RIG_SPEC;
	struct top *shown = calloc(1, sizeof(*shown));
	struct client_error error;
	struct client *client;
	struct look *before = NULL, *now = NULL;
	struct hostile h;
	uint64_t seed = (uint64_t)_i + 1;
	struct sim_net *net = sim_net_create(seed);
	struct sim_os *machine = sim_create(net, "client", seed + 1);
	int known = 0, groups = 0;

	hostile_begin(&h, net, seed);
	spec.metadata_max_age_ms = 50;
	spec.request_timeout_ms = 100;
	ck_assert_int_eq(client_create(&client, sim_os(machine), &spec, &error), OK);
	for (int n = 0; n < 40; n++) {
		struct look_spec what = { .parts = n % 2 == 0 ? 63 : LOOK_ENDS | LOOK_GROUPS | LOOK_MEMBERS | LOOK_AGES, .timeout_ms = 200, .before = before,
					  .is_narrow = n % 5 == 0, .age_rounds = 4 };
		int steps = 0;

		look_begin(&now, client, &what);
		for (; steps < LOOK_STEPS && (n % 7 != 6 || steps < 20) && !look_is_done(now); steps++) {	/* at times it is given up */
			client_step(client, 0);
			hostile_step(&h);
			sim_advance(machine, 1);
		}
		ck_assert_int_lt(steps, LOOK_STEPS);
		if (n % 7 == 6 || now->error.err != OK) {
			look_end(&now);
			continue;
		}
		known++;
		groups += now->group_count;
		*shown = (struct top){ .now = now, .before = before };
		draw_all(shown, &h);
		look_end(&before);
		before = now;
		now = NULL;
	}
	if (getenv("SKEIN_HOSTILE_TELL") != NULL)
		fprintf(stderr, "seed %d: %d answers, %d looks, %d groups\n", _i, h.answers, known, groups);
	ck_assert_int_gt(h.answers, 0);
	look_end(&before);
	client_destroy(&client);
	free(shown);
	hostile_end(&h);
	sim_destroy(&machine);
	sim_net_destroy(&net);
}
END_TEST

int main(void)
{
	const char *seeds = getenv("SKEIN_SEEDS");
	Suite *s = suite_create("look");
	TCase *t = tcase_create("look");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, whatever_brokers_say, 0, seeds != NULL ? atoi(seeds) : 50);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
