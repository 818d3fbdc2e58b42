/*
 * The rows, and finding one: by binary search, as the .def files are sorted.
 */
#include "base/config_table.h"

#include "base/config.h"
#include "base/log.h"
#include "base/nearest.h"

static const struct config_choice compression_types[] = {
	{ "uncompressed", COMPRESSION_UNCOMPRESSED }, { "zstd", COMPRESSION_ZSTD }, { "lz4", COMPRESSION_LZ4 },
	{ "snappy", COMPRESSION_SNAPPY }, { "gzip", COMPRESSION_GZIP }, { "producer", COMPRESSION_PRODUCER }, { NULL, 0 },
};
static const struct config_choice cleanup_policies[] = {
	{ "compact", CLEANUP_COMPACT }, { "delete", CLEANUP_DELETE }, { NULL, 0 },
};
static const struct config_choice timestamp_types[] = {
	{ "CreateTime", TIMESTAMP_CREATE_TIME }, { "LogAppendTime", TIMESTAMP_LOG_APPEND_TIME }, { NULL, 0 },
};
static const struct config_choice security_protocols[] = {
	{ "PLAINTEXT", PROTOCOL_PLAINTEXT }, { "SSL", PROTOCOL_SSL }, { "SASL_PLAINTEXT", PROTOCOL_SASL_PLAINTEXT },
	{ "SASL_SSL", PROTOCOL_SASL_SSL }, { NULL, 0 },
};
static const struct config_choice flush_acks[] = {
	{ "auto", FLUSH_ACKS_AUTO }, { "always", FLUSH_ACKS_ALWAYS }, { "never", FLUSH_ACKS_NEVER }, { NULL, 0 },
};
/* No field takes the values of these. */
static const struct config_choice client_auths[] = { { "required", 0 }, { "requested", 0 }, { "none", 0 }, { NULL, 0 } };
static const struct config_choice rebalance_protocols[] = {
	{ "consumer", 0 }, { "classic", 0 }, { "share", 0 }, { "unknown", 0 }, { NULL, 0 },
};
static const struct config_choice process_roles[] = { { "broker", 0 }, { "controller", 0 }, { NULL, 0 } };

static const struct config_choice log_formats[] = {
	{ "text", LOG_FORMAT_TEXT }, { "logfmt", LOG_FORMAT_LOGFMT }, { "json", LOG_FORMAT_JSON }, { "auto", EVENT_LOG_AUTO }, { NULL, 0 },
};

/* The columns' words: tuples, because they pass through more than one macro. */
#define ANY                  (CHECK_ANY, 0, 0, NULL)
#define AT_LEAST(lo)         (CHECK_RANGE, lo, INT64_MAX, NULL)
#define BETWEEN(lo, hi)      (CHECK_RANGE, lo, hi, NULL)
#define MINUS_ONE_OR(lo, hi) (CHECK_RANGE_OR_MINUS_ONE, lo, hi, NULL)
#define ONE_OF(list)         (CHECK_CHOICE, 0, 0, list)
#define VERSION              (CHECK_VERSION, 0, 0, NULL)
#define REPLICAS             (CHECK_REPLICAS, 0, 0, NULL)
#define ZOOKEEPER            (CHECK_ZOOKEEPER, 0, 0, NULL)
#define LOG_LEVELS           (CHECK_LOG_LEVELS, 0, 0, NULL)
#define NOT_EMPTY            (CHECK_NOT_EMPTY, 0, 0, NULL)
#define VALID(check_, min_, max_, choices_) \
	.valid = { .check = check_, .min = min_, .max = max_, .choices = choices_ }

#define FIELD_KIND(x) _Generic((x), bool: FIELD_BOOL, int16_t: FIELD_INT16, int32_t: FIELD_INT32, \
	uint32_t: FIELD_UINT32, int64_t: FIELD_INT64, double: FIELD_DOUBLE, const char *: FIELD_TEXT)
#define FIELD_OF(type, member) (FIELD_KIND(((type *)NULL)->member), offsetof(type, member))
#define NO_FIELD               (FIELD_NONE, 0)
#define PLACE(kind_, at_)      .field = kind_, .field_at = at_

#define ROW(kind_, name_, type_, fallback_, valid_, update_, support_, field_, doc_) \
	{ .name = name_, .kind = CONFIG_KIND_##kind_, .type = CONFIG_##type_, .fallback = fallback_, VALID valid_, \
	  .update = CONFIG_##update_, .support = CONFIG_##support_, PLACE field_, .doc = doc_ },

static const struct config_def broker_defs[] = {
#define FIELD(member)  FIELD_OF(struct broker_config, member)
#define CONFIG(...)    ROW(CONFIG, __VA_ARGS__)
#define INTERNAL(...)  ROW(INTERNAL, __VA_ARGS__)
#define DYNAMIC(...)   ROW(DYNAMIC, __VA_ARGS__)
#define PLUGIN(...)    ROW(PLUGIN, __VA_ARGS__)
#define SKEIN(...)     ROW(SKEIN, __VA_ARGS__)
#include "base/config_broker.def"
#undef FIELD
};

static const struct config_def topic_defs[] = {
#define FIELD(member)  FIELD_OF(struct topic_config, member)
#define TOPIC(name_, type_, fallback_, valid_, broker_, field_, doc_) \
	{ .name = name_, .kind = CONFIG_KIND_TOPIC, .type = CONFIG_##type_, .fallback = fallback_, VALID valid_, \
	  .update = CONFIG_CLUSTER_WIDE, .support = CONFIG_USED, .broker_name = broker_, PLACE field_, .doc = doc_ },
#include "base/config_topic.def"
#undef FIELD
};

const struct config_table config_brokers = { broker_defs, ARRAY_LEN(broker_defs), "broker" };
const struct config_table config_topics = { topic_defs, ARRAY_LEN(topic_defs), "topic" };

const struct config_def *config_find(const struct config_table *t, struct slice name)
{
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = slice_cmp(name, slice_str(t->defs[mid].name));
		if (c == 0)
			return &t->defs[mid];
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

static bool ends_with(struct slice s, const char *tail)
{
	size_t n = strlen(tail);

	return s.len >= n && memcmp(s.ptr + s.len - n, tail, n) == 0;
}

/* What is left of "listener.name.<listener>.<rest>", or the null slice. */
static struct slice without_listener(struct slice name)
{
	static const char prefix[] = "listener.name.";
	size_t n = sizeof(prefix) - 1;

	if (name.len <= n || memcmp(name.ptr, prefix, n) != 0)
		return SLICE_NULL;
	const uint8_t *dot = memchr(name.ptr + n, '.', name.len - n);
	if (dot == NULL || dot + 1 == name.ptr + name.len)
		return SLICE_NULL;
	return slice_of(dot + 1, (size_t)(name.ptr + name.len - dot - 1));
}

bool config_has_listener_prefix(struct slice name)
{
	return !slice_is_null(without_listener(name));
}

const struct config_def *config_find_base(struct slice name)
{
	/* These may stand behind a mechanism's name, which may hold anything. */
	static const char *const per_mechanism[] = {
		"sasl.jaas.config", "sasl.login.callback.handler.class", "sasl.login.class",
		"sasl.server.callback.handler.class", "connections.max.reauth.ms",
	};
	struct slice rest = without_listener(name);

	if (slice_is_null(rest))
		return config_find(&config_brokers, name);
	for (size_t i = 0; i < ARRAY_LEN(per_mechanism); i++) {
		if (ends_with(rest, per_mechanism[i]))
			return config_find(&config_brokers, slice_str(per_mechanism[i]));
	}
	return config_find(&config_brokers, rest);
}

const struct config_def *config_nearest(const struct config_table *t, struct slice name)
{
	const struct config_def *nearest = NULL;
	struct nearest n;

	nearest_init(&n, name);
	for (size_t i = 0; i < t->count; i++) {
		if (nearest_offer(&n, slice_str(t->defs[i].name)))
			nearest = &t->defs[i];
	}
	return nearest;
}

void config_group(const struct config_def *def, const struct config_def *out[CONFIG_GROUP_MAX + 1])
{
	static const char *const groups[][CONFIG_GROUP_MAX] = {
		{ "log.roll.ms", "log.roll.hours" },
		{ "log.roll.jitter.ms", "log.roll.jitter.hours" },
		{ "log.retention.ms", "log.retention.minutes", "log.retention.hours" },
	};
	static const char *const flush[CONFIG_GROUP_MAX] = { "log.flush.interval.ms", "log.flush.scheduler.interval.ms" };
	const char *const *names = NULL;
	size_t n = 0;

	/* The scheduler's interval is a fallback of the flush interval, but not the other way round. */
	if (strcmp(def->name, flush[0]) == 0)
		names = flush;
	for (size_t g = 0; g < ARRAY_LEN(groups) && names == NULL; g++) {
		for (size_t i = 0; i < CONFIG_GROUP_MAX && groups[g][i] != NULL; i++) {
			if (strcmp(def->name, groups[g][i]) == 0)
				names = groups[g];
		}
	}
	if (names == NULL)
		out[n++] = def;
	for (size_t i = 0; names != NULL && i < CONFIG_GROUP_MAX && names[i] != NULL; i++)
		out[n++] = config_find(&config_brokers, slice_str(names[i]));
	out[n] = NULL;
}
