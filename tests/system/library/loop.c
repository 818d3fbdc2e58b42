/*
 * A member of a group and a producer in one event loop: loop BOOTSTRAP GROUP TOPIC SECONDS. Sends a record every second, reads what comes, waits for nothing but the
 * descriptor and the time that skein_step names. Prints "records N steps N": a loop that is called for nothing shows in the second number, one that is not called in time in the
 * first, or by the group that has given up the member.
 */
#define _POSIX_C_SOURCE 200809L
#include <skein/consumer.h>
#include <skein/producer.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int losses;

static void on_rebalance(void *arg, enum skein_rebalance what, const struct skein_partition *p, int32_t count)
{
	(void)arg;
	(void)p;
	losses += what == SKEIN_LOST && count > 0;
}

int main(int argc, char **argv)
{
	const char *const settings[][2] = { { "bootstrap.servers", argv[1] }, { "group.id", argv[2] }, { "auto.offset.reset", "earliest" }, { "session.timeout.ms", "6000" },
					    { "heartbeat.interval.ms", "1500" }, { "auto.commit.interval.ms", "1000" } };
	struct skein_config *config = skein_config_create();
	struct skein_client *client;
	struct skein_producer *producer;
	struct skein_consumer *consumer;
	struct skein_error error;
	struct skein_event event;
	long records = 0, steps = 0;

	if (argc != 5)
		return 2;
	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		if (skein_config_set(config, settings[i][0], settings[i][1], &error) != SKEIN_OK)
			return 1;
	}
	const char *topic = argv[3];
	if (skein_client_create(&client, config, &error) != SKEIN_OK || skein_producer_create(&producer, client, NULL, NULL, NULL, &error) != SKEIN_OK ||
	    skein_consumer_create(&consumer, client, NULL, &error) != SKEIN_OK || skein_consumer_subscribe(consumer, &topic, 1, &error) != SKEIN_OK) {
		fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	skein_consumer_on_rebalance(consumer, on_rebalance, NULL);
	struct pollfd fd = { .fd = skein_fd(client), .events = POLLIN };
	int64_t end = now_ms() + 1000 * atoll(argv[4]), send_at = now_ms(), next = 0;
	for (int64_t now; (now = now_ms()) < end;) {
		int64_t mine = send_at > now ? send_at - now : 0;

		poll(&fd, 1, (int)(next < 0 || next > mine ? mine : next));
		next = skein_step(client, 0);
		steps++;
		while (skein_next(consumer, &event)) {
			if (event.kind == SKEIN_RECORD)
				records++;
			else if (event.kind != SKEIN_END)
				fprintf(stderr, "%s\n", event.error->text);
		}
		if (now_ms() >= send_at) {
			struct skein_record r = SKEIN_RECORD_INIT;

			r.topic = topic;
			r.value = (struct skein_bytes){ "tick", 4 };
			send_at = now_ms() + (skein_send(producer, &r, NULL) == SKEIN_OK ? 1000 : 50);
		}
	}
	printf("records %ld steps %ld losses %d pending %lld\n", records, steps, losses, (long long)skein_pending(producer));
	skein_producer_destroy(&producer);
	if (skein_consumer_close(&consumer, 5000, &error) != SKEIN_OK)
		fprintf(stderr, "%s\n", error.text);
	skein_client_destroy(&client);
	skein_config_destroy(&config);
	return 0;
}
