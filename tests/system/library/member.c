/*
 * A member of a group over libskein. member ASSIGNOR BOOTSTRAP GROUP TOPIC [INSTANCE]; a TOPIC that begins with ^ is an expression.
 *
 * Prints "assigned P..." for each assignment and "P OFFSET VALUE" for each record, commits what it has printed, ends at SIGTERM and leaves the group (but an INSTANCE
 * stays in it). $RACK: where it is.
 */
#define _POSIX_C_SOURCE 200809L
#include <skein/consumer.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static struct skein_client *client;
static struct skein_consumer *consumer;
static volatile sig_atomic_t is_stopped;

static void on_signal(int number)
{
	(void)number;
	is_stopped = 1;
	skein_wake(client);
}

static int by_number(const void *a, const void *b)
{
	return ((const struct skein_partition *)a)->partition - ((const struct skein_partition *)b)->partition;
}

static void on_rebalance(void *arg, enum skein_rebalance what, const struct skein_partition *partitions, int32_t count)
{
	struct skein_partition all[1000];
	struct skein_error error;

	(void)arg;
	(void)partitions;
	(void)count;
	if (what == SKEIN_REVOKED && skein_commit_wait(consumer, 5000, &error) != SKEIN_OK)
		fprintf(stderr, "last commit: %s\n", error.text);
	if (what != SKEIN_ASSIGNED)
		return;
	int32_t n = skein_assignment(consumer, all, 1000);
	qsort(all, (size_t)n, sizeof(*all), by_number);
	printf("assigned");
	for (int32_t i = 0; i < n; i++)
		printf(" %d", all[i].partition);
	printf("\n");
	fflush(stdout);
}

static int fail(const struct skein_error *error)
{
	fprintf(stderr, "%s\n", error->text);
	return 1;
}

int main(int argc, char **argv)
{
	const char *const settings[][2] = {
		{ "bootstrap.servers", argv[2] }, { "group.id", argv[3] }, { "partition.assignment.strategy", argv[1] }, { "auto.offset.reset", "earliest" },
		{ "enable.auto.commit", "false" }, { "session.timeout.ms", "6000" }, { "heartbeat.interval.ms", "500" }, { "fetch.max.wait.ms", "100" }, { "metadata.max.age.ms", "2000" },
		{ "group.instance.id", argc > 5 ? argv[5] : "" }, { "client.rack", getenv("RACK") != NULL ? getenv("RACK") : "" } };
	struct skein_config *config = skein_config_create();
	struct sigaction action = { .sa_handler = on_signal };
	struct skein_error error;
	struct skein_event event;
	int uncommitted = 0, code = 0;

	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		if (skein_config_set(config, settings[i][0], settings[i][1], &error) != SKEIN_OK)
			return fail(&error);
	}
	const char *topic = argv[4];
	if (skein_client_create(&client, config, &error) != SKEIN_OK || skein_consumer_create(&consumer, client, NULL, &error) != SKEIN_OK)
		return fail(&error);
	sigaction(SIGTERM, &action, NULL);
	skein_consumer_on_rebalance(consumer, on_rebalance, NULL);
	if ((*topic == '^' ? skein_consumer_subscribe_pattern(consumer, topic, &error) : skein_consumer_subscribe(consumer, &topic, 1, &error)) != SKEIN_OK)
		return fail(&error);
	while (!is_stopped && code == 0) {
		if (!skein_next_wait(consumer, uncommitted > 0 ? 0 : 200, &event)) {
			fflush(stdout);
			if (uncommitted > 0 && skein_commit_wait(consumer, 5000, &error) == SKEIN_OK)
				uncommitted = 0;
			continue;
		}
		switch (event.kind) {
		case SKEIN_RECORD:
			printf("%d %lld %.*s\n", event.partition, (long long)event.offset, (int)event.value.len, (const char *)event.value.ptr);
			uncommitted++;
			break;
		case SKEIN_END:     break;
		case SKEIN_TROUBLE: fail(event.error); break;
		case SKEIN_BROKEN:  code = fail(event.error); break;
		}
	}
	fflush(stdout);
	if (skein_consumer_close(&consumer, 10000, &error) != SKEIN_OK)
		fail(&error);
	skein_client_destroy(&client);
	skein_config_destroy(&config);
	return code;
}
