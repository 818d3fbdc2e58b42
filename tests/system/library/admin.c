/*
 * All of skein/admin.h against one cluster. admin BOOTSTRAP; topics and groups that begin with "libadmin-" are its own and deleted. Prints what it checked; the first thing that
 * is not as it should be ends it with exit code 1.
 */
#define _POSIX_C_SOURCE 200809L
#include <skein/admin.h>
#include <skein/consumer.h>
#include <skein/producer.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 15000
#define TOPIC   "libadmin-a"
#define GROUP   "libadmin-group"

static struct skein_client *client;
static struct skein_error error;
static int checked;

#define CHECK(condition, ...) do { \
	checked++; \
	if (!(condition)) { \
		fprintf(stderr, "line %d: not so: %s; ", __LINE__, #condition); \
		fprintf(stderr, __VA_ARGS__); \
		fprintf(stderr, "; last error: %s\n", error.text); \
		exit(1); \
	} \
} while (0)
#define OK(call) CHECK((call) == SKEIN_OK, "it failed")

static void topics(void)
{
	const struct skein_setting settings[] = { { "retention.ms", "100000" }, { "cleanup.policy", "compact" } };
	const char *const names[] = { TOPIC, "libadmin-none" };
	const struct skein_topic *list;
	struct skein_answer *answer;
	int32_t count;

	for (int i = 0; i < 2; i++)	/* left by a run that was ended */
		(void)skein_admin_delete_topic(client, TOPIC, WAIT_MS, NULL);
	for (int i = 0; i < 200 && skein_admin_create_topic(client, TOPIC, 2, 1, settings, 2, WAIT_MS, &error) == SKEIN_EXISTS; i++)
		skein_step(client, 50);
	CHECK(skein_admin_create_topic(client, TOPIC, 2, 1, NULL, 0, WAIT_MS, &error) == SKEIN_EXISTS, "made twice");
	CHECK(error.kafka == 36 && !error.is_retriable, "code %d", error.kafka);
	CHECK(skein_admin_create_topic(client, "libadmin-many", 1, 30000, NULL, 0, WAIT_MS, &error) == SKEIN_FAILED, "code %d", error.code);
	OK(skein_admin_grow_topic(client, TOPIC, 3, WAIT_MS, &error));
	CHECK(skein_admin_grow_topic(client, TOPIC, 1, WAIT_MS, &error) != SKEIN_OK, "shrunk");
	for (int i = 0;; i++) {	/* brokers hear of it in their own time */
		OK(skein_admin_topics(client, names, 2, WAIT_MS, &answer, &list, &count, &error));
		CHECK(count == 2, "%d", count);
		const struct skein_topic *t = strcmp(list[0].name, TOPIC) == 0 ? &list[0] : &list[1];
		const struct skein_topic *none = t == &list[0] ? &list[1] : &list[0];
		CHECK(none->error == 3 && none->partition_count == 0, "%d", none->error);
		if (t->error == 0 && t->partition_count == 3 && t->partitions[2].leader >= 0) {
			CHECK(t->partitions[0].replica_count == 1 && t->partitions[0].isr_count == 1, "%d", t->partitions[0].replica_count);
			break;
		}
		CHECK(i < 200, "the topic does not appear");
		skein_answer_destroy(&answer);
		skein_step(client, 50);
	}
	skein_answer_destroy(&answer);
	OK(skein_admin_topics(client, NULL, 0, WAIT_MS, &answer, &list, &count, &error));
	CHECK(count >= 1, "%d", count);
	skein_answer_destroy(&answer);
	CHECK(skein_admin_delete_topic(client, "libadmin-none", WAIT_MS, &error) == SKEIN_NOT_FOUND, "deleted");
}

static const struct skein_config_entry *entry(const struct skein_config_entry *list, int32_t count, const char *name)
{
	for (int32_t i = 0; i < count; i++) {
		if (strcmp(list[i].name, name) == 0)
			return &list[i];
	}
	CHECK(0, "there is no %s", name);
	return NULL;
}

static void configs(int32_t broker)
{
	const struct skein_setting changes[] = { { "retention.ms", "200000" }, { "cleanup.policy", NULL } };
	const struct skein_setting wrong[] = { { "retention.ms", "soon" } };
	const struct skein_config_entry *list;
	struct skein_answer *answer;
	char name[16];
	int32_t count;

	OK(skein_admin_alter_config(client, SKEIN_TOPIC, TOPIC, changes, 2, WAIT_MS, &error));
	CHECK(skein_admin_alter_config(client, SKEIN_TOPIC, TOPIC, wrong, 1, WAIT_MS, &error) != SKEIN_OK, "taken");
	for (int i = 0;; i++) {
		OK(skein_admin_config(client, SKEIN_TOPIC, TOPIC, WAIT_MS, &answer, &list, &count, &error));
		if (strcmp(entry(list, count, "retention.ms")->value, "200000") == 0)
			break;
		CHECK(i < 200, "it stays %s", entry(list, count, "retention.ms")->value);
		skein_answer_destroy(&answer);
		skein_step(client, 50);
	}
	CHECK(entry(list, count, "retention.ms")->source == SKEIN_SOURCE_TOPIC, "%d", entry(list, count, "retention.ms")->source);
	CHECK(strcmp(entry(list, count, "cleanup.policy")->value, "delete") == 0, "%s", entry(list, count, "cleanup.policy")->value);
	skein_answer_destroy(&answer);
	snprintf(name, sizeof(name), "%d", broker);
	OK(skein_admin_config(client, SKEIN_BROKER, name, WAIT_MS, &answer, &list, &count, &error));
	CHECK(entry(list, count, "log.retention.hours") != NULL, "no such");
	skein_answer_destroy(&answer);
}

static void offsets(void)
{
	struct skein_offset at[] = { { TOPIC, 0, 0, SKEIN_AT_BEGINNING, 0 }, { TOPIC, 1, 0, SKEIN_AT_END, 0 }, { TOPIC, 9, 0, SKEIN_AT_END, 0 } };
	struct skein_record r = SKEIN_RECORD_INIT;
	struct skein_producer *producer;

	OK(skein_producer_create(&producer, client, NULL, NULL, NULL, &error));
	r.topic = TOPIC;
	for (int i = 0; i < 20; i++) {
		r.partition = i % 2;
		r.timestamp = 1000 * i;
		r.value = (struct skein_bytes){ "x", 1 };
		OK(skein_send_wait(producer, &r, WAIT_MS, &error));
	}
	OK(skein_flush(producer, WAIT_MS, &error));
	skein_producer_destroy(&producer);
	OK(skein_admin_list_offsets(client, at, 3, WAIT_MS, &error));
	CHECK(at[0].offset == 0 && at[0].error == 0, "%lld %d", (long long)at[0].offset, at[0].error);
	CHECK(at[1].offset == 10 && at[1].error == 0, "%lld %d", (long long)at[1].offset, at[1].error);
	CHECK(at[2].error == 3, "%d", at[2].error);
	at[0].timestamp = 7500;
	OK(skein_admin_list_offsets(client, at, 1, WAIT_MS, &error));
	CHECK(at[0].offset == 4 && at[0].timestamp == 8000, "%lld %lld", (long long)at[0].offset, (long long)at[0].timestamp);
	at[0].offset = 3;
	at[1].offset = -1;
	OK(skein_admin_delete_records(client, at, 2, WAIT_MS, &error));
	CHECK(at[0].offset == 3 && at[0].error == 0, "%lld %d", (long long)at[0].offset, at[0].error);
	CHECK(at[1].offset == 10 && at[1].error == 0, "%lld %d", (long long)at[1].offset, at[1].error);
	at[0].timestamp = SKEIN_AT_BEGINNING;
	OK(skein_admin_list_offsets(client, at, 1, WAIT_MS, &error));
	CHECK(at[0].offset == 3, "%lld", (long long)at[0].offset);
}

static void groups(void)
{
	struct skein_offset at[] = { { TOPIC, 0, 5, 0, 0 }, { TOPIC, 1, 10, 0, 0 } };
	struct skein_config *config = skein_config_create();
	const struct skein_group_entry *list;
	const struct skein_offset *found;
	const struct skein_group *group;
	struct skein_consumer *consumer;
	struct skein_answer *answer;
	struct skein_event event;
	const char *topic = TOPIC;
	int32_t count;
	int records = 0;

	(void)skein_admin_delete_group(client, GROUP, WAIT_MS, NULL);
	CHECK(skein_admin_group(client, "libadmin-none", WAIT_MS, &answer, &group, &error) == SKEIN_NOT_FOUND && answer == NULL, "there");
	OK(skein_admin_set_group_offsets(client, GROUP, at, 2, WAIT_MS, &error));
	OK(skein_config_set(config, "group.id", GROUP, &error));
	OK(skein_config_set(config, "auto.offset.reset", "earliest", &error));
	OK(skein_consumer_create(&consumer, client, config, &error));
	OK(skein_consumer_subscribe(consumer, &topic, 1, &error));
	for (int i = 0; i < 300 && records < 5; i++) {	/* 5 to 9 of the first partition, none of the second */
		if (!skein_next_wait(consumer, 100, &event))
			continue;
		CHECK(event.kind != SKEIN_BROKEN, "%s", event.error->text);
		if (event.kind != SKEIN_RECORD)
			continue;
		CHECK(event.partition == 0 && event.offset == 5 + records, "%d %lld", event.partition, (long long)event.offset);
		records++;
	}
	CHECK(records == 5, "%d", records);
	OK(skein_admin_group(client, GROUP, WAIT_MS, &answer, &group, &error));
	CHECK(strcmp(group->state, "Stable") == 0 && group->member_count == 1 && group->members[0].partition_count == 3, "%s %d", group->state, group->member_count);
	CHECK(strcmp(group->assignor, "range") == 0 && strcmp(group->members[0].client_id, "libskein") == 0, "%s", group->assignor);
	skein_answer_destroy(&answer);
	CHECK(skein_admin_delete_group(client, GROUP, WAIT_MS, &error) != SKEIN_OK, "deleted under its member");
	OK(skein_admin_groups(client, "Stable", WAIT_MS, &answer, &list, &count, &error));
	int is_listed = 0;
	for (int32_t i = 0; i < count; i++)
		is_listed |= strcmp(list[i].id, GROUP) == 0;
	CHECK(is_listed, "not among %d", count);
	skein_answer_destroy(&answer);
	OK(skein_consumer_close(&consumer, WAIT_MS, &error));
	OK(skein_admin_group_offsets(client, GROUP, WAIT_MS, &answer, &found, &count, &error));
	for (int32_t i = 0; i < count; i++)
		CHECK(found[i].partition == 2 || found[i].offset == 10, "%d: %lld", found[i].partition, (long long)found[i].offset);
	CHECK(count >= 2, "%d", count);
	skein_answer_destroy(&answer);
	OK(skein_admin_delete_group_offsets(client, GROUP, at, 1, WAIT_MS, &error));
	CHECK(at[0].error == 0, "%d", at[0].error);
	OK(skein_admin_delete_group(client, GROUP, WAIT_MS, &error));
	skein_config_destroy(&config);
}

static void replicas(int32_t broker)
{
	struct skein_offset p[] = { { TOPIC, 0, 0, 0, 0 } };
	struct skein_reassignment move[] = { { TOPIC, 0, &broker, 1, NULL, NULL, 0, 0, 0 }, { "libadmin-none", 0, &broker, 1, NULL, NULL, 0, 0, 0 } };
	const struct skein_reassignment *moving;
	const struct skein_log_dir *dirs;
	struct skein_answer *answer;
	int32_t count, found = 0;

	OK(skein_admin_log_dirs(client, broker, WAIT_MS, &answer, &dirs, &count, &error));
	CHECK(count >= 1 && dirs[0].error == 0, "%d", count);
	for (int32_t d = 0; d < count; d++)
		for (int32_t i = 0; i < dirs[d].replica_count; i++)
			found += strcmp(dirs[d].replicas[i].topic, TOPIC) == 0;
	CHECK(found == 3, "%d replicas", found);
	OK(skein_admin_place_replica(client, broker, TOPIC, 0, dirs[0].path, WAIT_MS, &error));
	skein_answer_destroy(&answer);
	CHECK(skein_admin_place_replica(client, broker, TOPIC, 0, "/nowhere", WAIT_MS, &error) != SKEIN_OK, "placed");
	CHECK(skein_admin_log_dirs(client, 12345, 2000, &answer, &dirs, &count, &error) == SKEIN_UNREACHABLE, "%d", error.code);
	OK(skein_admin_elect_leaders(client, SKEIN_PREFERRED, p, 1, WAIT_MS, &error));
	CHECK(p[0].error == 0 || p[0].error == 84, "%d", p[0].error);
	OK(skein_admin_elect_leaders(client, SKEIN_PREFERRED, NULL, 0, WAIT_MS, &error));
	OK(skein_admin_reassign(client, move, 2, WAIT_MS, &error));
	CHECK(move[0].error == 0 && move[1].error == 3, "%d %d", move[0].error, move[1].error);
	OK(skein_admin_reassignments(client, WAIT_MS, &answer, &moving, &count, &error));
	skein_answer_destroy(&answer);
}

/* What cannot be a record is refused at once, and what is sent beside it goes on. TOPIC is there. */
static void records_that_cannot_be(void)
{
	const size_t lengths[] = { (size_t)1 << 31, (size_t)1 << 40, SIZE_MAX / 2, SIZE_MAX - 10, SIZE_MAX };
	struct skein_header headers[2] = { { { "a", 1 }, { "b", 1 } }, { { "c", 1 }, { "d", 1 } } };
	const struct skein_record none = SKEIN_RECORD_INIT;
	struct skein_record r;
	struct skein_producer *producer;
	static char name[40001];

	OK(skein_producer_create(&producer, client, NULL, NULL, NULL, &error));
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		r = none;
		r.topic = TOPIC;
		r.key = (struct skein_bytes){ "k", lengths[i] };
		CHECK(skein_send(producer, &r, &error) == SKEIN_INVALID, "a key of %zu bytes", lengths[i]);
		r.key = (struct skein_bytes){ "k", 1 };
		r.value = (struct skein_bytes){ "v", lengths[i] };
		CHECK(skein_send(producer, &r, &error) == SKEIN_INVALID, "a value of %zu bytes", lengths[i]);
		r.value = (struct skein_bytes){ "v", 1 };
		r.headers = headers;
		r.header_count = 2;
		headers[0].value.len = headers[1].name.len = lengths[i];
		CHECK(skein_send(producer, &r, &error) == SKEIN_INVALID, "headers of %zu bytes", lengths[i]);
	}
	memset(name, 'n', sizeof(name) - 1);
	r = none;
	r.topic = name;
	enum skein_code code = skein_send_wait(producer, &r, WAIT_MS, &error);
	CHECK(code != SKEIN_OK && code != SKEIN_TIMED_OUT, "a name of %zu characters: %d", strlen(name), code);
	r.topic = TOPIC;
	r.value = (struct skein_bytes){ "v", 1 };
	OK(skein_send_wait(producer, &r, WAIT_MS, &error));
	OK(skein_flush(producer, WAIT_MS, &error));
	skein_producer_destroy(&producer);
}

int main(int argc, char **argv)
{
	struct skein_config *config = skein_config_create();
	const struct skein_cluster *cluster;
	struct skein_answer *answer;

	struct sigaction pipe_before;

	if (argc != 2)
		return 2;
	signal(SIGPIPE, SIG_DFL);
	sigaction(SIGPIPE, NULL, &pipe_before);
	OK(skein_config_set(config, "bootstrap.servers", argv[1], &error));
	OK(skein_client_create(&client, config, &error));
	OK(skein_connect(client, WAIT_MS, &error));
	OK(skein_admin_cluster(client, WAIT_MS, &answer, &cluster, &error));
	CHECK(cluster->broker_count >= 1 && cluster->controller >= 0 && strcmp(cluster->id, skein_cluster_id(client)) == 0, "%s", cluster->id);
	int32_t broker = cluster->brokers[0].id;
	skein_answer_destroy(&answer);
	struct sigaction pipe_action;
	CHECK(sigaction(SIGPIPE, NULL, &pipe_action) == 0 && pipe_action.sa_handler == pipe_before.sa_handler, "signals are the program's");
	topics();
	configs(broker);
	offsets();
	groups();
	replicas(broker);
	records_that_cannot_be();
	OK(skein_admin_delete_topic(client, TOPIC, WAIT_MS, &error));
	CHECK(strcmp(skein_kafka_error_name(3), "UNKNOWN_TOPIC_OR_PARTITION") == 0, "%s", skein_kafka_error_name(3));
	skein_client_destroy(&client);
	skein_config_destroy(&config);
	printf("%d statements hold\n", checked);
	return 0;
}
