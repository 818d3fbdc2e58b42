/*
 * skein bench partitions: how long a cluster takes to make many, until all are led, and to delete them.
 */
#include "bench.h"

#include <stdlib.h>

#include "client/admin.h"
#include "client/client_call.h"

#define WAIT_MS 600000

static double seconds_since(mono_ns then) { return (double)(os_mono_ns(os_real()) - then) / 1e9; }

/* How many partitions of our topics have a leader, as the broker says that is asked; -1 after saying why. */
static int64_t count_led(struct bench *b, const char *const *names)
{
	const struct metadata_response *m;
	struct client_call *answer = NULL;
	struct client_error error;
	int64_t led = 0;

	if (admin_describe_topics(b->client, names, b->topics, WAIT_MS, &answer, &m, &error) != OK) {
		b->code = tool_fail(&error);
		return -1;
	}
	for (int32_t i = 0; i < m->topics_count; i++)
		for (int32_t n = 0; n < m->topics[i].partitions_count; n++)
			led += m->topics[i].partitions[n].leader_id >= 0;
	admin_answer_destroy(&answer);
	return led;
}

static bool wait_until_led(struct bench *b, const char *const *names)
{
	mono_ms deadline = os_mono_ms(os_real()) + WAIT_MS;
	int64_t led, all = (int64_t)b->topics * b->partitions;

	while ((led = count_led(b, names)) >= 0 && led < all) {
		bench_progress("%lld of %lld are led", (long long)led, (long long)all);
		if (tool_is_stopped() || os_mono_ms(os_real()) >= deadline) {
			tool_say("%lld of %lld partitions have a leader", (long long)led, (long long)all);
			b->code = EXIT_TIMED_OUT;
			return false;
		}
		client_step(b->client, 5);
	}
	return led == all;
}

int bench_partitions(struct bench *b)
{
	if (!bench_connect(b))
		return b->code;
	bench_begin(b);
	mono_ns began = os_mono_ns(os_real());
	if (bench_create_topics(b)) {
		const char **names = bench_topic_names(b);
		bench_number(b, "create_s", seconds_since(began), 4);
		if (wait_until_led(b, names))
			bench_number(b, "led_s", seconds_since(began), 4);
		free(names);
	}
	bench_progress("%s", "");
	began = os_mono_ns(os_real());
	if (bench_drop_topics(b) && !b->keeps && b->own_topic[0] != '\0')
		bench_number(b, "delete_s", seconds_since(began), 4);
	return b->code == EXIT_OK ? bench_tell(b) : b->code;
}
