/*
 * From layers of texts to typed structs. The table fills every field (config_value_store); what is left here is what
 * several configs decide together: which of log.roll.ms and log.roll.hours holds, and which values exclude each other.
 */
#include "base/config.h"

#include "base/config_listener.h"
#include "base/config_set.h"
#include "base/config_value.h"

#include <stdlib.h>

/* Texts of a broker's configuration; a file is at most CONFIG_FILE_BYTES_MAX, and lists make pointers of commas. */
#define BROKER_CONFIG_BYTES_MAX (32 << 20)

/* A broker_config and the arena its texts live in. */
struct broker_config_block {
	struct broker_config config;
	struct arena         arena;
};

static void broker_config_destroy(struct counted *counted)
{
	struct broker_config_block *block = CONTAINER_OF(counted, struct broker_config_block, config.counted);

	arena_fini(&block->arena);
	free(block);
}

/* --- topics ------------------------------------------------------------------------------------------------------- */

/* The deprecated bound holds in a direction that has no bound of its own. */
static void resolve_timestamps(struct topic_config *t)
{
	if (t->timestamp_before_max_ms == INT64_MAX)
		t->timestamp_before_max_ms = t->timestamp_difference_max_ms;
	if (t->timestamp_after_max_ms == INT64_MAX)
		t->timestamp_after_max_ms = t->timestamp_difference_max_ms;
}

void topic_config_init(struct topic_config *c)
{
	struct strbuf why = STRBUF_INIT;

	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < config_topics.count; i++) {
		const struct config_def *def = &config_topics.defs[i];
		struct config_value value;
		bool is_good = config_value_parse(def, slice_str(def->fallback), &value, &why) &&
			       config_value_store(def, &value, c, NULL);
		ASSERT(is_good);
	}
	strbuf_fini(&why);
}

int topic_config_resolve(struct topic_config *out, const struct config_set *overrides, const struct broker_config *broker,
			 struct strbuf *skipped)
{
	struct strbuf why = STRBUF_INIT;
	const struct config_entry *e;
	uint32_t at = 0;
	int skipped_count = 0;

	*out = broker->topic;
	while ((e = config_set_next(overrides, &at)) != NULL) {
		const struct config_def *def = config_find(&config_topics, e->name);
		struct config_value value;
		strbuf_reset(&why);
		if (def == NULL)
			strbuf_printf(&why, "Unknown topic config name: " SLICE_FMT, SLICE_ARG(e->name));
		else if (config_value_parse(def, e->text, &value, &why) && config_value_store(def, &value, out, NULL))
			continue;
		if (skipped != NULL)
			strbuf_printf(skipped, "%s%s", skipped_count == 0 ? "" : "; ", strbuf_cstr(&why));
		skipped_count++;
	}
	resolve_timestamps(out);
	strbuf_fini(&why);
	return skipped_count;
}

/* --- brokers: together -------------------------------------------------------------------------------------------- */

static int64_t first_set(int64_t ms, int64_t fallback)
{
	return ms != FIELD_UNSET_LONG ? ms : fallback;
}

#define HOUR_MS   (60 * 60 * 1000ll)
#define MINUTE_MS (60 * 1000ll)

/* Which of several names for one thing holds. */
static void resolve_topic_defaults(struct broker_config *c)
{
	struct topic_config *t = &c->topic;
	int64_t by_minutes = c->log_retention_minutes != FIELD_UNSET_INT ? c->log_retention_minutes * MINUTE_MS
									 : c->log_retention_hours * HOUR_MS;

	t->retention_ms = first_set(c->log_retention_ms, by_minutes);
	if (t->retention_ms < 0)
		t->retention_ms = -1;
	t->segment_ms = first_set(c->log_roll_ms, c->log_roll_hours * HOUR_MS);
	t->segment_jitter_ms = first_set(c->log_roll_jitter_ms, c->log_roll_jitter_hours * HOUR_MS);
	t->flush_ms = first_set(c->log_flush_interval_ms, c->log_flush_scheduler_interval_ms);
	resolve_timestamps(t);
}

static bool add_dir(struct text_list *dirs, struct slice dir, struct arena *arena, struct strbuf *why)
{
	for (int i = 0; i < dirs->count; i++) {
		if (slice_eq_str(dir, dirs->items[i])) {
			strbuf_printf(why, "log directory " SLICE_FMT " is there twice", SLICE_ARG(dir));
			return false;
		}
	}
	dirs->items[dirs->count] = (const char *)arena_copy(arena, dir).ptr;
	if (dirs->items[dirs->count] == NULL) {
		strbuf_add_str(why, "the configuration is too large");
		return false;
	}
	dirs->count++;
	return true;
}

static bool resolve_log_dirs(struct broker_config *c, struct arena *arena, struct strbuf *why)
{
	struct slice rest = config_trim(slice_str(c->log_dirs_text != NULL ? c->log_dirs_text : c->log_dir)), item;
	size_t count = 0;

	for (struct slice r = rest; config_list_next(&r, &item); )
		count++;
	c->log_dirs.items = arena_calloc(arena, count + 1, sizeof(*c->log_dirs.items));
	if (c->log_dirs.items == NULL) {
		strbuf_add_str(why, "the configuration is too large");
		return false;
	}
	while (config_list_next(&rest, &item)) {
		while (item.len > 1 && item.ptr[item.len - 1] == '/')	/* the same directory, whose lock it could not have twice */
			item.len--;
		if (item.len != 0 && !add_dir(&c->log_dirs, item, arena, why))
			return false;
	}
	if (c->log_dirs.count == 0)
		strbuf_add_str(why, "log.dirs needs at least one directory");
	return c->log_dirs.count > 0;
}

/* Kafka names a class; of those that come with it one does something. */
#define SELECTOR_PACKAGE "org.apache.kafka.common.replica."

static bool is_selector(const struct broker_config *c, const char *name)
{
	return c->replica_selector_class != NULL && strcmp(c->replica_selector_class, name) == 0;
}

static bool is_selector_known(const struct broker_config *c)
{
	return c->replica_selector_class == NULL || is_selector(c, "") || c->is_selector_rack_aware ||
	       is_selector(c, SELECTOR_PACKAGE "LeaderSelector");
}

static bool resolve_together(struct broker_config *c, struct arena *arena, struct strbuf *why, const char **blame)
{
	c->is_alone = c->zookeeper_connect == NULL || c->zookeeper_connect[0] == '\0';
	if (c->is_alone)
		c->zookeeper_connect = NULL;
	if (c->zookeeper_connection_timeout_ms == FIELD_UNSET_INT)
		c->zookeeper_connection_timeout_ms = c->zookeeper_session_timeout_ms;
	resolve_topic_defaults(c);
	c->is_selector_rack_aware = is_selector(c, SELECTOR_PACKAGE "RackAwareReplicaSelector");
	*blame = c->log_dirs_text != NULL ? "log.dirs" : "log.dir";
	return resolve_log_dirs(c, arena, why) && config_listeners_resolve(c, arena, why, blame);
}

/* --- brokers: what excludes each other ---------------------------------------------------------------------------- */

struct check {
	const struct broker_config *c;
	const struct config_layers *layers;
	struct strbuf              *why;
	const char                 *blame;	/* the config to look at */
};

static bool demand(struct check *k, bool is_good, const char *blame, const char *sentence)
{
	if (is_good)
		return true;
	k->blame = blame;
	strbuf_add_str(k->why, sentence);
	return false;
}

/* Numbers no field holds yet, because what uses them is not there, but which Kafka checks at start. */
static int64_t number(const struct check *k, const char *name)
{
	const struct config_def *def = config_find(&config_brokers, slice_str(name));
	const struct config_entry *e = config_layers_find(k->layers, def);
	struct strbuf why = STRBUF_INIT;
	struct config_value value = { .integer = 0 };
	struct slice text = e != NULL ? e->text : slice_str(def->fallback);
	bool is_good = config_value_parse(def, text, &value, &why);

	strbuf_fini(&why);
	return is_good ? value.integer : 0;
}

static bool check_ids(struct check *k)
{
	const struct broker_config *c = k->c;

	return demand(k, c->broker_id == c->node_id, "node.id",
		      "node.id and broker.id are the same thing and must be equal") &&
	       demand(k, c->broker_id >= -1, "broker.id", "broker.id is at least -1") &&
	       demand(k, c->broker_id >= 0 || c->is_broker_id_generated, "broker.id",
		      "broker.id must be set because broker.id.generation.enable is false") &&
	       demand(k, c->broker_id >= 0 || !c->is_alone, "broker.id",
		      "broker.id cannot be generated without zookeeper.connect; 0 is usual") &&
	       demand(k, !c->is_broker_id_generated || c->is_alone || c->broker_id <= c->reserved_broker_max_id,
		      "broker.id", "broker.id is above reserved.broker.max.id; such ids are generated. Raise "
		      "reserved.broker.max.id or set broker.id.generation.enable=false");
}

bool config_wants_old_format(const struct broker_config *b, const struct topic_config *t)
{
	return !b->is_alone && b->inter_broker_protocol_version < KAFKA_VERSION(3, 0, 1) && t->message_format_version < KAFKA_VERSION(0, 110, 0);
}

static bool check_log(struct check *k)
{
	const struct broker_config *c = k->c;
	int64_t cleaners = MAX(number(k, "log.cleaner.threads"), 1);

	return demand(k, !config_wants_old_format(c, &c->topic), "log.message.format.version", "with an inter.broker.protocol.version below 3.0 a log.message.format.version below "
	              "0.11 has Java brokers write messages that skein does not read: first raise it, in every broker, as for an upgrade of Kafka") &&
	       demand(k, c->topic.segment_ms >= 1, "log.roll.ms", "log.roll.ms must be greater than or equal to 1") &&
	       demand(k, c->topic.segment_jitter_ms >= 0, "log.roll.jitter.ms",
		      "log.roll.jitter.ms must be greater than or equal to 0") &&
	       demand(k, c->topic.retention_ms >= 1 || c->topic.retention_ms == -1, "log.retention.ms",
		      "log.retention.ms must be unlimited (-1) or greater than or equal to 1") &&
	       demand(k, number(k, "log.cleaner.dedupe.buffer.size") / cleaners > 1024 * 1024,
		      "log.cleaner.dedupe.buffer.size",
		      "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.");
}

static bool check_network(struct check *k)
{
	const struct broker_config *c = k->c;
	int64_t queued = number(k, "queued.max.request.bytes");

	return demand(k, queued <= 0 || queued >= c->socket_request_max_bytes, "queued.max.request.bytes",
		      "queued.max.request.bytes must be larger or equal to socket.request.max.bytes") &&
	       demand(k, c->max_connections_per_ip > 0, "max.connections.per.ip", "max.connections.per.ip can be set to "
		      "zero only if max.connections.per.ip.overrides property is set.") &&
	       demand(k, c->connections_max_idle_ms <= 0 ||
		      number(k, "connection.failed.authentication.delay.ms") < c->connections_max_idle_ms,
		      "connection.failed.authentication.delay.ms",
		      "connection.failed.authentication.delay.ms must be less than connections.max.idle.ms");
}

static bool check_replication(struct check *k)
{
	int64_t wait = number(k, "replica.fetch.wait.max.ms"), acks = number(k, "offsets.commit.required.acks");

	return demand(k, wait <= number(k, "replica.socket.timeout.ms"), "replica.fetch.wait.max.ms",
		      "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent "
		      "unnecessary socket timeouts") &&
	       demand(k, wait <= number(k, "replica.lag.time.max.ms"), "replica.fetch.wait.max.ms",
		      "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent "
		      "frequent changes in ISR") &&
	       demand(k, is_selector_known(k->c), "replica.selector.class", "skein runs no plug-ins; replica.selector.class "
		      "may be " SELECTOR_PACKAGE "RackAwareReplicaSelector, or left out") &&
	       demand(k, acks >= -1 && acks <= number(k, "offsets.topic.replication.factor"),
		      "offsets.commit.required.acks", "offsets.commit.required.acks must be greater or equal -1 and less or equal to "
		      "offsets.topic.replication.factor");
}

static bool is_between(const struct check *k, const char *low, const char *name, const char *high)
{
	return number(k, low) <= number(k, name) && number(k, name) <= number(k, high);
}

static bool check_groups(struct check *k)
{
	return demand(k, is_between(k, "group.consumer.min.session.timeout.ms", "group.consumer.session.timeout.ms",
				    "group.consumer.max.session.timeout.ms"), "group.consumer.session.timeout.ms",
		      "group.consumer.session.timeout.ms must lie between its min and its max") &&
	       demand(k, is_between(k, "group.consumer.min.heartbeat.interval.ms", "group.consumer.heartbeat.interval.ms",
				    "group.consumer.max.heartbeat.interval.ms"), "group.consumer.heartbeat.interval.ms",
		      "group.consumer.heartbeat.interval.ms must lie between its min and its max");
}

/* --- brokers: putting it together --------------------------------------------------------------------------------- */

/* Puts "server.properties:12: log.roll.ms=0: " in front of the sentence. */
static void say_where(const struct config_layers *layers, const char *name, struct strbuf *why)
{
	struct strbuf sentence = *why;
	const struct config_entry *e = NULL;
	const struct config_def *group[CONFIG_GROUP_MAX + 1];

	strbuf_init(why);
	config_group(config_find(&config_brokers, slice_str(name)), group);
	for (int i = 0; e == NULL && group[i] != NULL; i++)
		e = config_layers_find(layers, group[i]);
	if (e != NULL && e->place.origin != CONFIG_FROM_STORE) {
		config_place_print(&e->place, why);
		strbuf_printf(why, ": " SLICE_FMT "=" SLICE_FMT ": ", SLICE_ARG(e->name), SLICE_ARG(e->text));
	}
	strbuf_add_slice(why, strbuf_slice(&sentence));
	strbuf_fini(&sentence);
}

static bool fill(struct broker_config_block *block, const struct config_layers *layers, struct strbuf *why,
		 const char **blame)
{
	for (size_t i = 0; i < config_brokers.count; i++) {
		const struct config_def *def = &config_brokers.defs[i];
		const struct config_entry *e = config_layers_find(layers, def);
		struct slice text = e != NULL ? e->text : slice_str(def->fallback);
		struct config_value value;
		*blame = def->name;
		if (!slice_is_null(text) && !config_value_parse(def, text, &value, why))
			return false;
		if (!config_value_store(def, slice_is_null(text) ? NULL : &value, &block->config, &block->arena)) {
			strbuf_add_str(why, "the configuration is too large");
			return false;
		}
	}
	return true;
}

bool broker_config_create(struct broker_config **out, const struct config_layers *layers, struct strbuf *why)
{
	struct broker_config_block *block = mem_calloc(1, sizeof(*block));
	struct check k = { .c = &block->config, .layers = layers, .why = why };

	counted_init(&block->config.counted, broker_config_destroy);
	arena_init(&block->arena, BROKER_CONFIG_BYTES_MAX);
	*out = &block->config;
	if (fill(block, layers, why, &k.blame) && resolve_together(&block->config, &block->arena, why, &k.blame) &&
	    check_ids(&k) && check_log(&k) && check_network(&k) && check_replication(&k) && check_groups(&k))
		return true;
	say_where(layers, k.blame, why);
	broker_config_unref(out);
	return false;
}
