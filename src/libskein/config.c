/*
 * The table of properties: name, kind, where its value lies, what it may be. Setting, getting and listing go by it.
 */
#include "libskein/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/nearest.h"
#include "libskein/libskein.h"

enum kind { KIND_INT32, KIND_INT64, KIND_BOOL, KIND_STRING, KIND_CHOICE, KIND_ACKS, KIND_STRATEGIES };

struct property {
	const char        *name;
	enum kind          kind;
	size_t             at;			/* in struct skein_config; of CHOICE: an int32_t or an enum, the place in choices */
	int64_t            min, max;		/* of numbers */
	const char *const *choices;		/* ends in NULL */
};

static const char *const protocols[] = { "PLAINTEXT", NULL };	/* TLS and SASL are not spoken yet */
static const char *const resets[] = { "latest", "earliest", "none", NULL };
static const char *const isolations[] = { "read_uncommitted", "read_committed", NULL };
static const char *const codecs[] = { "none", "gzip", "snappy", "lz4", "zstd", NULL };	/* in the order of enum codec */

#define AT(field) offsetof(struct skein_config, field)
static const struct property table[] = {
	{ "bootstrap.servers", KIND_STRING, AT(bootstrap), 0, 0, NULL },
	{ "client.id", KIND_STRING, AT(client_id), 0, 0, NULL },
	{ "security.protocol", KIND_CHOICE, AT(protocol), 0, 0, protocols },
	{ "request.timeout.ms", KIND_INT32, AT(client.request_timeout_ms), 1, INT32_MAX, NULL },
	{ "socket.connection.setup.timeout.ms", KIND_INT32, AT(client.connect_timeout_ms), 1, INT32_MAX, NULL },
	{ "retry.backoff.ms", KIND_INT32, AT(client.retry_backoff_ms), 1, INT32_MAX, NULL },
	{ "retry.backoff.max.ms", KIND_INT32, AT(client.retry_backoff_max_ms), 1, INT32_MAX, NULL },
	{ "reconnect.backoff.ms", KIND_INT32, AT(client.reconnect_backoff_ms), 1, INT32_MAX, NULL },
	{ "reconnect.backoff.max.ms", KIND_INT32, AT(client.reconnect_backoff_max_ms), 1, INT32_MAX, NULL },
	{ "metadata.max.age.ms", KIND_INT32, AT(client.metadata_max_age_ms), 1, INT32_MAX, NULL },
	{ "allow.auto.create.topics", KIND_BOOL, AT(client.allow_auto_create), 0, 0, NULL },
	{ "acks", KIND_ACKS, AT(producer.acks), 0, 0, NULL },
	{ "enable.idempotence", KIND_BOOL, AT(producer.is_idempotent), 0, 0, NULL },
	{ "max.in.flight.requests.per.connection", KIND_INT32, AT(producer.in_flight_max), 1, INT32_MAX, NULL },
	{ "compression.type", KIND_CHOICE, AT(producer.codec), 0, 0, codecs },
	{ "compression.gzip.level", KIND_INT32, AT(levels[CODEC_GZIP]), -1, 9, NULL },
	{ "compression.lz4.level", KIND_INT32, AT(levels[CODEC_LZ4]), 1, 17, NULL },
	{ "compression.zstd.level", KIND_INT32, AT(levels[CODEC_ZSTD]), -131072, 22, NULL },
	{ "batch.size", KIND_INT32, AT(producer.batch_size), 0, INT32_MAX, NULL },
	{ "linger.ms", KIND_INT32, AT(producer.linger_ms), 0, INT32_MAX, NULL },
	{ "max.request.size", KIND_INT32, AT(producer.request_size_max), 1024, INT32_MAX, NULL },
	{ "buffer.memory", KIND_INT64, AT(producer.buffer_memory), 1024, INT64_MAX, NULL },
	{ "group.id", KIND_STRING, AT(group), 0, 0, NULL },
	{ "group.instance.id", KIND_STRING, AT(instance_id), 0, 0, NULL },
	{ "partition.assignment.strategy", KIND_STRATEGIES, AT(member), 0, 0, NULL },
	{ "session.timeout.ms", KIND_INT32, AT(member.session_timeout_ms), 1, INT32_MAX, NULL },
	{ "heartbeat.interval.ms", KIND_INT32, AT(member.heartbeat_interval_ms), 1, INT32_MAX, NULL },
	{ "max.poll.interval.ms", KIND_INT32, AT(member.rebalance_timeout_ms), 1, INT32_MAX - 5000, NULL },
	{ "enable.auto.commit", KIND_BOOL, AT(commits_itself), 0, 0, NULL },
	{ "auto.commit.interval.ms", KIND_INT32, AT(commit_interval_ms), 1, INT32_MAX, NULL },
	{ "exclude.internal.topics", KIND_BOOL, AT(excludes_internal), 0, 0, NULL },
	{ "auto.offset.reset", KIND_CHOICE, AT(reset), 0, 0, resets },
	{ "isolation.level", KIND_CHOICE, AT(isolation), 0, 0, isolations },
	{ "fetch.min.bytes", KIND_INT32, AT(consumer.fetch_bytes_min), 0, INT32_MAX, NULL },
	{ "fetch.max.bytes", KIND_INT32, AT(consumer.fetch_bytes_max), 1, INT32_MAX, NULL },
	{ "fetch.max.wait.ms", KIND_INT32, AT(consumer.fetch_wait_ms), 0, INT32_MAX, NULL },
	{ "max.partition.fetch.bytes", KIND_INT32, AT(consumer.partition_bytes_max), 1, INT32_MAX, NULL },
	{ "check.crcs", KIND_BOOL, AT(checks_crc), 0, 0, NULL },
	{ "client.rack", KIND_STRING, AT(rack), 0, 0, NULL },
	{ "delivery.timeout.ms", KIND_INT32, AT(producer.delivery_timeout_ms), 1, INT32_MAX, NULL },
};
#undef AT

/* ---- life ---- */

void config_init(struct skein_config *c)
{
	*c = (struct skein_config){ .client = CLIENT_SPEC_INIT, .producer = PRODUCER_SPEC_INIT, .consumer = CONSUMER_SPEC_INIT,
				     .member = GROUP_MEMBER_SPEC_INIT, .checks_crc = true, .excludes_internal = true, .commits_itself = true, .commit_interval_ms = 5000 };
	c->bootstrap = mem_strdup(c->client.bootstrap);
	c->client_id = mem_strdup("libskein");
	c->client.allow_auto_create = true;
	c->member.rebalance_timeout_ms = 300000;
	c->member.strategies[1] = ASSIGN_COOPERATIVE;	/* behind range: a group of older members can move to it one by one */
	c->member.strategy_count = 2;
	c->levels[CODEC_GZIP] = LEVEL_DEFAULT_GZIP;
	c->levels[CODEC_LZ4] = LEVEL_DEFAULT_LZ4;
	c->levels[CODEC_ZSTD] = LEVEL_DEFAULT_ZSTD;
}

static char **string_at(struct skein_config *c, const struct property *p)
{
	return (char **)((char *)c + p->at);
}

void config_fini(struct skein_config *c)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (table[i].kind == KIND_STRING)
			free(*string_at(c, &table[i]));
	}
}

void config_copy(struct skein_config *out, const struct skein_config *from)
{
	*out = *from;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char **s = table[i].kind == KIND_STRING ? string_at(out, &table[i]) : NULL;

		if (s != NULL && *s != NULL)
			*s = mem_strdup(*s);
	}
}

struct skein_config *skein_config_create(void)
{
	struct skein_config *c = mem_alloc(sizeof(*c));

	config_init(c);
	return c;
}

void skein_config_destroy(struct skein_config **config)
{
	FACE_NEEDS(config);

	if (*config != NULL)
		config_fini(*config);
	free(*config);
	*config = NULL;
}

struct client_spec config_client_spec(const struct skein_config *c)
{
	struct client_spec spec = c->client;

	spec.bootstrap = c->bootstrap;
	spec.client_id = c->client_id;
	return spec;
}

struct producer_spec config_producer_spec(const struct skein_config *c)
{
	struct producer_spec spec = c->producer;

	spec.level = c->levels[spec.codec];
	/* as in Kafka's clients: who asks for weaker acks and does not speak of idempotence wants none */
	if (!c->is_idempotence_set && (spec.acks != PRODUCER_ACKS_ALL || spec.in_flight_max > 5))
		spec.is_idempotent = false;
	return spec;
}

struct consumer_spec config_consumer_spec(const struct skein_config *c)
{
	struct consumer_spec spec = c->consumer;

	spec.reset = c->reset == 0 ? CONSUMER_LATEST : c->reset == 1 ? CONSUMER_EARLIEST : 0;
	spec.is_read_committed = c->isolation == 1;
	spec.trusts_crc = !c->checks_crc;
	spec.rack = c->rack;
	return spec;
}

struct group_member_spec config_member_spec(const struct skein_config *c)
{
	struct group_member_spec spec = c->member;

	spec.group = c->group;
	spec.instance_id = c->instance_id != NULL && *c->instance_id != '\0' ? c->instance_id : NULL;
	spec.wants_stable = c->isolation == 1;
	return spec;
}

/* ---- finding ---- */

static const struct property *find(const char *name, struct skein_error *error)
{
	struct nearest near;

	nearest_init(&near, slice_str(name));
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
		nearest_offer(&near, slice_str(table[i].name));
	}
	if (strncmp(name, "ssl.", 4) == 0 || strncmp(name, "sasl.", 5) == 0)
		face_fail(error, SKEIN_NOT_FOUND, "%.100s: TLS and SASL are not supported yet", name);
	else if (slice_is_null(near.name))
		face_fail(error, SKEIN_NOT_FOUND, "there is no property \"%.100s\"", name);
	else
		face_fail(error, SKEIN_NOT_FOUND, "there is no property \"%.100s\"; the nearest is "SLICE_FMT, name, SLICE_ARG(near.name));
	return NULL;
}

const char *skein_config_name(int n)
{
	return n >= 0 && n < (int)ARRAY_LEN(table) ? table[n].name : NULL;
}

/* ---- setting ---- */

static bool parse_number(const char *text, const struct property *p, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *out >= p->min && *out <= p->max;
}

static bool parse_bool(const char *text, bool *out)
{
	bool is_true = strcasecmp(text, "true") == 0;

	if (!is_true && strcasecmp(text, "false") != 0)
		return false;
	*out = is_true;
	return true;
}

static bool parse_choice(const char *text, const char *const *choices, int32_t *out)
{
	for (int32_t i = 0; choices[i] != NULL; i++) {
		if (strcasecmp(text, choices[i]) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

static bool parse_acks(const char *text, int16_t *out)
{
	if (strcmp(text, "all") == 0 || strcmp(text, "-1") == 0)
		*out = PRODUCER_ACKS_ALL;
	else if (strcmp(text, "0") == 0 || strcmp(text, "1") == 0)
		*out = (int16_t)(*text - '0');
	else
		return false;
	return true;
}

/* Names as in JoinGroup, or those of Java's classes. */
static bool parse_strategies(const char *text, struct group_member_spec *out)
{
	static const char prefix[] = "org.apache.kafka.clients.consumer.";
	static const char *const classes[] = { "RangeAssignor", "RoundRobinAssignor", "StickyAssignor", "CooperativeStickyAssignor", NULL };
	enum assign_strategy found[ASSIGN_STRATEGY_COUNT];
	int32_t count = 0, choice;
	bool is_taken[ASSIGN_STRATEGY_COUNT] = { false };

	for (;;) {
		size_t skip = strspn(text, " "), len;
		char name[100];

		text += skip;
		if (strncmp(text, prefix, sizeof(prefix) - 1) == 0)
			text += sizeof(prefix) - 1;
		len = strcspn(text, ", ");
		if (len >= sizeof(name))
			return false;
		memcpy(name, text, len);
		name[len] = '\0';
		if ((!parse_choice(name, assign_names, &choice) && !parse_choice(name, classes, &choice)) || is_taken[choice])
			return false;
		is_taken[choice] = true;
		found[count++] = (enum assign_strategy)choice;
		text += len + strspn(text + len, " ");
		if (*text == '\0')
			break;
		if (*text++ != ',')
			return false;
	}
	memcpy(out->strategies, found, sizeof(found));
	out->strategy_count = count;
	return true;
}

static void list_choices(const struct property *p, struct strbuf *out)
{
	for (int i = 0; p->choices[i] != NULL; i++)
		strbuf_printf(out, "%s%s", i > 0 ? ", " : "", p->choices[i]);
}

static enum skein_code refuse(const struct property *p, const char *value, struct skein_error *error)
{
	struct strbuf wanted = STRBUF_INIT;

	switch (p->kind) {
	case KIND_INT32:
	case KIND_INT64:  strbuf_printf(&wanted, "a number from %lld to %lld", (long long)p->min, (long long)p->max); break;
	case KIND_BOOL:   strbuf_add_str(&wanted, "true or false"); break;
	case KIND_CHOICE: strbuf_add_str(&wanted, p->choices == protocols ? "TLS and SASL are not supported yet; " : "one of "); list_choices(p, &wanted); break;
	case KIND_ACKS:   strbuf_add_str(&wanted, "all, 1 or 0"); break;
	case KIND_STRATEGIES: strbuf_add_str(&wanted, "a list of range, roundrobin, sticky, cooperative-sticky"); break;
	case KIND_STRING: break;
	}
	face_fail(error, SKEIN_INVALID, "%s cannot be \"%.80s\": %s is wanted", p->name, value, strbuf_cstr(&wanted));
	strbuf_fini(&wanted);
	return SKEIN_INVALID;
}

enum skein_code skein_config_set(struct skein_config *config, const char *name, const char *value, struct skein_error *error)
{
	FACE_NEEDS(config);
	FACE_NEEDS(name);
	FACE_NEEDS(value);

	const struct property *p = find(name, error);
	int64_t number;
	bool ok = true;

	if (p == NULL)
		return SKEIN_NOT_FOUND;
	void *at = (char *)config + p->at;
	switch (p->kind) {
	case KIND_INT32:
		ok = parse_number(value, p, &number);
		if (ok)
			*(int32_t *)at = (int32_t)number;
		break;
	case KIND_INT64:
		ok = parse_number(value, p, &number);
		if (ok)
			*(int64_t *)at = number;
		break;
	case KIND_BOOL:   ok = parse_bool(value, at); break;
	case KIND_CHOICE: ok = parse_choice(value, p->choices, at); break;
	case KIND_ACKS:   ok = parse_acks(value, at); break;
	case KIND_STRATEGIES: ok = parse_strategies(value, at); break;
	case KIND_STRING:
		free(*string_at(config, p));
		*string_at(config, p) = mem_strdup(value);
		break;
	}
	if (!ok)
		return refuse(p, value, error);
	config->is_idempotence_set |= at == &config->producer.is_idempotent;
	return face_ok(error);
}

enum skein_code skein_config_get(const struct skein_config *config, const char *name, char *out, size_t size, struct skein_error *error)
{
	FACE_NEEDS(config);
	FACE_NEEDS(name);
	FACE_NEEDS_LIST(out, size);

	const struct property *p = find(name, error);
	struct strbuf list = STRBUF_INIT;

	if (p == NULL)
		return SKEIN_NOT_FOUND;
	const void *at = (const char *)config + p->at;
	const char *text = p->kind == KIND_STRING ? *(const char *const *)at : NULL;
	switch (p->kind) {
	case KIND_INT32:  snprintf(out, size, "%d", *(const int32_t *)at); break;
	case KIND_INT64:  snprintf(out, size, "%lld", (long long)*(const int64_t *)at); break;
	case KIND_BOOL:   snprintf(out, size, "%s", *(const bool *)at ? "true" : "false"); break;
	case KIND_CHOICE: snprintf(out, size, "%s", p->choices[*(const int32_t *)at]); break;
	case KIND_ACKS:   snprintf(out, size, *(const int16_t *)at == PRODUCER_ACKS_ALL ? "all" : "%d", *(const int16_t *)at); break;
	case KIND_STRATEGIES:
		for (int32_t i = 0; i < config->member.strategy_count; i++)
			strbuf_printf(&list, "%s%s", i > 0 ? "," : "", assign_names[config->member.strategies[i]]);
		snprintf(out, size, "%s", strbuf_cstr(&list));
		strbuf_fini(&list);
		break;
	case KIND_STRING: snprintf(out, size, "%s", text != NULL ? text : ""); break;
	}
	return face_ok(error);
}
