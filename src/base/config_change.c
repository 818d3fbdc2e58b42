/*
 * Changes come from clients: names and values are anything. Refusals are values with Kafka's error code.
 */
#include "base/config_change.h"

#include "base/config_value.h"

static bool refuse(struct config_refusal *r, enum kafka_error error, const char *fmt, ...) PRINTF(3, 4);

static bool refuse(struct config_refusal *r, enum kafka_error error, const char *fmt, ...)
{
	va_list ap;

	r->error = error;
	va_start(ap, fmt);
	strbuf_vprintf(&r->text, fmt, ap);
	va_end(ap);
	return false;
}

/* --- applying ----------------------------------------------------------------------------------------------------- */

static bool check_duplicates(const struct config_change *changes, int count, struct config_refusal *r)
{
	struct map seen = MAP_INIT;
	bool is_good = true;

	for (int i = 0; i < count && is_good; i++)
		is_good = map_put(&seen, changes[i].name, (void *)&changes[i]) == NULL;
	map_fini(&seen);
	return is_good || refuse(r, INVALID_REQUEST, "Error due to duplicate config keys");
}

static bool check_nulls(const struct config_change *changes, int count, enum config_change_mode mode,
			struct config_refusal *r)
{
	struct strbuf names = STRBUF_INIT;

	for (int i = 0; i < count; i++) {
		bool may_be_null = mode == CONFIG_INCREMENT && changes[i].op == CONFIG_DELETE;
		if (slice_is_null(changes[i].value) && !may_be_null)
			strbuf_printf(&names, "%s" SLICE_FMT, names.len == 0 ? "" : ", ", SLICE_ARG(changes[i].name));
	}
	bool is_good = names.len == 0;
	if (!is_good && mode == CONFIG_CREATE)
		refuse(r, INVALID_CONFIG, "Null value not supported for topic configs: %s", strbuf_cstr(&names));
	else if (!is_good)
		refuse(r, INVALID_REQUEST, "Null value not supported for : %s", strbuf_cstr(&names));
	strbuf_fini(&names);
	return is_good;
}

static bool list_has(struct slice list, struct slice member)
{
	struct slice item;

	list = config_trim(list);
	while (config_list_next(&list, &item)) {
		if (slice_eq(item, member))
			return true;
	}
	return false;
}

/* Appends the members of `from` that are (or are not) in `filter`. Empty members vanish. */
static void add_members(struct strbuf *out, struct slice from, struct slice filter, bool wants_those_in)
{
	struct slice item;

	from = config_trim(from);
	while (config_list_next(&from, &item)) {
		if (item.len != 0 && list_has(filter, item) == wants_those_in)
			strbuf_printf(out, "%s" SLICE_FMT, out->len == 0 ? "" : ",", SLICE_ARG(item));
	}
}

static bool apply_to_list(const struct config_table *t, struct config_set *set, const struct config_change *c,
			  struct config_place place, struct config_refusal *r)
{
	const struct config_def *def = config_find(t, c->name);
	struct strbuf text = STRBUF_INIT;

	if (def == NULL || def->type != CONFIG_LIST)
		return refuse(r, INVALID_CONFIG, "Config value %s is not allowed for config key: " SLICE_FMT,
			      c->op == CONFIG_APPEND ? "append" : "subtract", SLICE_ARG(c->name));
	struct slice old = config_set_get(set, c->name);
	if (slice_is_null(old))
		old = def->fallback != NULL ? slice_str(def->fallback) : SLICE_EMPTY;
	if (c->op == CONFIG_APPEND) {
		add_members(&text, old, SLICE_EMPTY, false);
		add_members(&text, c->value, old, false);
	} else {
		add_members(&text, old, c->value, false);
	}
	config_set_put(set, c->name, strbuf_slice(&text), place);
	strbuf_fini(&text);
	return true;
}

static bool apply_one(const struct config_table *t, struct config_set *set, const struct config_change *c, int op,
		      struct config_refusal *r)
{
	struct config_place place = { .origin = CONFIG_FROM_STORE };

	switch (op) {
	case CONFIG_SET:
		config_set_put(set, c->name, c->value, place);
		return true;
	case CONFIG_DELETE:
		config_set_remove(set, c->name);
		return true;
	case CONFIG_APPEND:
	case CONFIG_SUBTRACT:
		return apply_to_list(t, set, c, place, r);
	default:
		return refuse(r, INVALID_REQUEST, "Unknown operations type %d", op);
	}
}

bool config_changes_apply(const struct config_table *t, struct config_set *set, const struct config_change *changes,
			  int count, enum config_change_mode mode, struct config_refusal *refusal)
{
	if (mode != CONFIG_CREATE && !check_duplicates(changes, count, refusal))
		return false;
	if (!check_nulls(changes, count, mode, refusal))
		return false;
	if (mode == CONFIG_REPLACE) {
		config_set_fini(set);
		config_set_init(set);
	}
	for (int i = 0; i < count; i++) {
		if (!apply_one(t, set, &changes[i], mode == CONFIG_INCREMENT ? changes[i].op : CONFIG_SET, refusal))
			return false;
	}
	return true;
}

/* --- topics ------------------------------------------------------------------------------------------------------- */

bool config_check_value(const struct config_table *t, struct slice name, struct slice value, struct strbuf *why)
{
	const struct config_def *def = t == &config_brokers ? config_find_base(name) : config_find(t, name);
	struct config_value parsed;

	if (def != NULL)
		return config_value_parse(def, value, &parsed, why);
	if (t == &config_brokers)
		return true;
	strbuf_printf(why, "Unknown %s config name: " SLICE_FMT, t->scope, SLICE_ARG(name));
	return false;
}

static void add_resource(struct config_refusal *r, struct slice topic)
{
	if (!slice_is_null(topic))
		strbuf_printf(&r->text, "Invalid config value for resource ConfigResource(type=TOPIC, name='" SLICE_FMT "'): ",
			      SLICE_ARG(topic));
}

static bool check_topic_values(const struct config_set *overrides, struct slice topic, struct config_refusal *r)
{
	const struct config_entry *e;
	struct config_value value;
	uint32_t at = 0;

	r->error = INVALID_CONFIG;
	while ((e = config_set_next(overrides, &at)) != NULL) {
		if (config_find(&config_topics, e->name) == NULL)
			return config_check_value(&config_topics, e->name, e->text, &r->text);
	}
	for (at = 0; (e = config_set_next(overrides, &at)) != NULL; ) {
		struct strbuf why = STRBUF_INIT;
		bool is_good = config_value_parse(config_find(&config_topics, e->name), e->text, &value, &why);
		if (!is_good) {
			add_resource(r, topic);
			strbuf_add_slice(&r->text, strbuf_slice(&why));
		}
		strbuf_fini(&why);
		if (!is_good)
			return false;
	}
	return true;
}

bool config_topic_check(const struct config_set *overrides, const struct broker_config *broker, struct slice topic,
			struct config_refusal *refusal)
{
	struct topic_config c;

	if (!check_topic_values(overrides, topic, refusal))
		return false;
	int skipped = topic_config_resolve(&c, overrides, broker, NULL);
	ASSERT(skipped == 0);
	if (c.min_compaction_lag_ms > c.max_compaction_lag_ms)
		return refuse(refusal, INVALID_CONFIG,
			      "conflict topic config setting min.compaction.lag.ms (%lld) > max.compaction.lag.ms (%lld)",
			      (long long)c.min_compaction_lag_ms, (long long)c.max_compaction_lag_ms);
	if (c.is_remote_copy_disabled || c.is_remote_deleted_on_disable)
		return refuse(refusal, INVALID_CONFIG, "It is invalid to set `remote.log.delete.on.disable` or "
			      "`remote.log.copy.disable` under Zookeeper's mode.");
	if (c.is_remote_storage_enabled) {
		add_resource(refusal, topic);
		return refuse(refusal, INVALID_CONFIG, "Tiered Storage functionality is disabled in the broker. Topic cannot be "
			      "configured with remote log storage.");
	}
	if (config_wants_old_format(broker, &c)) {
		add_resource(refusal, topic);
		return refuse(refusal, INVALID_CONFIG, "With this inter.broker.protocol.version a message.format.version below 0.11 has Java brokers write messages that skein does not read.");
	}
	refusal->error = NONE;
	return true;
}

/* --- brokers ------------------------------------------------------------------------------------------------------ */

typedef bool (*entry_test)(const struct config_entry *e);

static bool is_read_only(const struct config_entry *e)
{
	const struct config_def *def = config_find(&config_brokers, e->name);

	return def != NULL && def->update == CONFIG_READ_ONLY && def->kind != CONFIG_KIND_PLUGIN;
}

static bool is_per_broker(const struct config_entry *e)
{
	static const char *const for_all[] = { "max.connections", "max.connection.creation.rate", "num.network.threads" };
	const struct config_def *def = config_find_base(e->name);

	if (def == NULL || !config_has_listener_prefix(e->name))
		return def != NULL && def->update == CONFIG_PER_BROKER;
	for (size_t i = 0; i < ARRAY_LEN(for_all); i++) {
		if (strcmp(def->name, for_all[i]) == 0)
			return false;
	}
	return true;
}

static bool is_unsupported(const struct config_entry *e)
{
	const struct config_def *def = config_find_base(e->name);

	return def != NULL && def->support == CONFIG_REFUSED;
}

bool config_needs_restart(const struct config_entry *e)
{
	return slice_eq_str(e->name, "listeners") || slice_eq_str(e->name, "advertised.listeners") ||
	       slice_eq_str(e->name, "listener.security.protocol.map");
}

/* Refuses all entries of which test is true together, as Kafka does. */
static bool check_none(const struct config_set *set, entry_test test, const char *sentence, struct config_refusal *r)
{
	const struct config_entry *e;
	struct strbuf names = STRBUF_INIT;
	uint32_t at = 0;

	while ((e = config_set_next(set, &at)) != NULL) {
		if (test(e))
			strbuf_printf(&names, "%s" SLICE_FMT, names.len == 0 ? "" : ", ", SLICE_ARG(e->name));
	}
	bool is_good = names.len == 0 || refuse(r, INVALID_REQUEST, "%s: Set(%s)", sentence, strbuf_cstr(&names));
	strbuf_fini(&names);
	return is_good;
}

static bool check_broker_values(const struct config_set *set, struct config_refusal *r)
{
	const struct config_entry *e;
	uint32_t at = 0;

	while ((e = config_set_next(set, &at)) != NULL) {
		if (!config_check_value(&config_brokers, e->name, e->text, &r->text)) {
			r->error = INVALID_REQUEST;
			return false;
		}
	}
	return true;
}

static int64_t value_of(const struct config_layers *layers, const char *name)
{
	const struct config_def *def = config_find(&config_brokers, slice_str(name));
	const struct config_entry *e = config_layers_find(layers, def);
	struct config_value value = { .integer = 0 };
	struct strbuf why = STRBUF_INIT;
	bool is_good = config_value_parse(def, e != NULL ? e->text : slice_str(def->fallback), &value, &why);

	strbuf_fini(&why);
	return is_good ? value.integer : 0;
}

/* A pool of threads at most doubles or halves at once: a slip of the keyboard shall not stop a broker. */
static bool check_threads(const struct config_layers *now, const struct config_layers *next, struct config_refusal *r)
{
	static const char *const pools[] = {
		"num.io.threads", "num.network.threads", "num.replica.fetchers", "num.recovery.threads.per.data.dir",
		"background.threads", "log.cleaner.threads",
	};

	for (size_t i = 0; i < ARRAY_LEN(pools); i++) {
		int64_t old = value_of(now, pools[i]), wanted = value_of(next, pools[i]);
		if (wanted == old || (wanted >= 1 && wanted >= old / 2 && wanted <= old * 2))
			continue;
		return refuse(r, INVALID_REQUEST, "Dynamic thread count update validation failed for %s=%lld, value should %s "
			      "the current value %lld", pools[i], (long long)wanted,
			      wanted < old ? "be at least half" : "not be greater than double", (long long)old);
	}
	return true;
}

bool config_broker_check(const struct config_layers *now, enum config_level level, const struct config_set *wanted,
			 struct config_refusal *refusal)
{
	struct config_layers next = *now;
	struct broker_config *config;

	ASSERT(level == CONFIG_LEVEL_BROKER || level == CONFIG_LEVEL_CLUSTER);
	next.at[level] = wanted;
	if (!check_none(wanted, is_read_only, "Cannot update these configs dynamically", refusal) ||
	    !check_broker_values(wanted, refusal))
		return false;
	if (level == CONFIG_LEVEL_CLUSTER &&
	    !check_none(wanted, is_per_broker, "Cannot update these configs at default cluster level, broker id must be "
			"specified", refusal))
		return false;
	if (!check_none(wanted, is_unsupported, "These configs are not supported yet", refusal) ||
	    !check_none(wanted, config_needs_restart, "These configs cannot be changed while the broker runs yet", refusal) ||
	    !check_threads(now, &next, refusal))
		return false;
	if (!broker_config_create(&config, &next, &refusal->text)) {
		refusal->error = INVALID_REQUEST;
		return false;
	}
	broker_config_unref(&config);
	return true;
}

int config_set_drop_bad(struct config_set *dynamic, struct strbuf *dropped)
{
	const struct config_entry *e;
	uint32_t at = 0;
	int count = 0;

	while ((e = config_set_next(dynamic, &at)) != NULL) {
		struct strbuf why = STRBUF_INIT;
		bool is_bad = !config_check_value(&config_brokers, e->name, e->text, &why);
		if (!is_bad && (is_read_only(e) || is_unsupported(e) || config_needs_restart(e))) {
			strbuf_printf(&why, SLICE_FMT " cannot be a dynamic config here", SLICE_ARG(e->name));
			is_bad = true;
		}
		if (is_bad) {
			strbuf_printf(dropped, "%s%s", count++ == 0 ? "" : "\n", strbuf_cstr(&why));
			config_set_remove(dynamic, e->name);
		}
		strbuf_fini(&why);
	}
	return count;
}
