/*
 * The list of synonyms is the heart: every name that stands for the config, level by level, strongest first; the first
 * one's level is the source. As in Kafka, names before the config's own are dropped: log.retention.hours does not show that a
 * dynamic log.retention.ms overrules it, and an unset log.retention.ms does not show log.retention.hours.
 */
#include "base/config_describe.h"

#include "base/config_value.h"

static const enum config_source source_of_level[CONFIG_LEVEL_COUNT] = {
	CONFIG_SOURCE_DYNAMIC_BROKER, CONFIG_SOURCE_DYNAMIC_CLUSTER, CONFIG_SOURCE_STATIC,
};

static void start(struct config_describe *it, const struct config_layers *layers, struct arena *arena)
{
	memset(it, 0, sizeof(*it));
	it->layers = layers;
	it->arena = arena;
}

void config_describe_broker(struct config_describe *it, const struct config_layers *layers, struct arena *arena)
{
	start(it, layers, arena);
	it->what = DESCRIBE_BROKER;
}

void config_describe_cluster(struct config_describe *it, const struct config_layers *layers, struct arena *arena)
{
	start(it, layers, arena);
	it->what = DESCRIBE_CLUSTER;
	it->level = CONFIG_LEVEL_CLUSTER;
}

void config_describe_topic(struct config_describe *it, const struct config_layers *layers,
			   const struct broker_config *broker, const struct config_set *overrides, struct arena *arena)
{
	start(it, layers, arena);
	it->what = DESCRIBE_TOPIC;
	it->broker = broker;
	it->overrides = overrides;
}

/* Listed always, whether set or not. */
static bool is_listed(const struct config_def *def)
{
	return def != NULL && (def->kind == CONFIG_KIND_CONFIG || def->kind == CONFIG_KIND_SKEIN);
}

/* A text as Kafka prints it, in the arena. */
static struct slice print(struct config_describe *it, const struct config_def *def, struct slice text)
{
	struct strbuf b = STRBUF_INIT;

	config_value_print(def, text, &b);
	struct slice s = arena_copy(it->arena, strbuf_slice(&b));
	it->is_full = it->is_full || slice_is_null(s);
	strbuf_fini(&b);
	return s;
}

/* --- synonyms ----------------------------------------------------------------------------------------------------- */

#define NAMES_MAX    (CONFIG_GROUP_MAX + 1)
#define SYNONYMS_MAX (1 + CONFIG_GROUP_MAX * (CONFIG_LEVEL_COUNT + 1))

/* The names that can give a broker config its value: its group, or with a listener's prefix also the name without it. */
static int names_of(struct slice name, struct slice names[NAMES_MAX])
{
	const struct config_def *def = config_find(&config_brokers, name), *base = config_find_base(name);
	const struct config_def *group[CONFIG_GROUP_MAX + 1];
	int n = 0;

	if (def == NULL) {
		names[n++] = name;
		if (base != NULL)
			names[n++] = slice_str(base->name);
		return n;
	}
	config_group(def, group);
	for (; group[n] != NULL; n++)
		names[n] = slice_str(group[n]->name);
	return n;
}

static int add_synonym(struct config_synonym *list, int n, struct slice asked, struct config_synonym s)
{
	if (n == 0 && !slice_eq(s.name, asked))
		return 0;
	list[n] = s;
	return n + 1;
}

/* What stands behind broker config `name`, written to list; asked about the cluster, only that level. Gives the number. */
static int broker_synonyms(const struct config_describe *it, struct slice name, bool is_sensitive,
			   struct config_synonym *list)
{
	struct slice names[NAMES_MAX];
	int names_count = names_of(name, names), n = 0;

	for (int level = 0; level < CONFIG_LEVEL_COUNT; level++) {
		if (it->what == DESCRIBE_CLUSTER && level != CONFIG_LEVEL_CLUSTER)
			continue;
		for (int i = 0; i < names_count; i++) {
			struct slice text = config_set_get(it->layers->at[level], names[i]);
			struct config_synonym s = { names[i], is_sensitive ? SLICE_NULL : text, source_of_level[level] };
			if (!slice_is_null(text))
				n = add_synonym(list, n, name, s);
		}
	}
	for (int i = 0; i < names_count && it->what != DESCRIBE_CLUSTER; i++) {
		const struct config_def *def = config_find(&config_brokers, names[i]);
		bool is_defined = def != NULL && def->kind != CONFIG_KIND_DYNAMIC && def->kind != CONFIG_KIND_PLUGIN;
		struct config_synonym s = { names[i], SLICE_NULL, CONFIG_SOURCE_DEFAULT };
		if (!is_defined || def->fallback == NULL)
			continue;
		if (!is_sensitive)
			s.value = slice_str(def->fallback);
		n = add_synonym(list, n, name, s);
	}
	return n;
}

static void set_synonyms(struct config_describe *it, struct config_description *out,
			 const struct config_synonym *list, int n)
{
	struct config_synonym *copy = arena_alloc(it->arena, (size_t)n * sizeof(*copy));

	out->source = n > 0 ? list[0].source : CONFIG_SOURCE_DEFAULT;
	out->synonyms = copy;
	out->synonyms_count = copy != NULL ? n : 0;
	if (copy == NULL)
		it->is_full = true;
	else if (n > 0)
		memcpy(copy, list, (size_t)n * sizeof(*copy));
}

/* --- brokers ------------------------------------------------------------------------------------------------------ */

static struct slice broker_value(struct config_describe *it, struct slice name, const struct config_def *def)
{
	if (it->what == DESCRIBE_CLUSTER)
		return config_set_get(it->layers->at[CONFIG_LEVEL_CLUSTER], name);
	if (is_listed(def)) {
		const struct config_entry *e = config_layers_find(it->layers, def);
		struct slice text = e != NULL ? e->text : slice_str(def->fallback);
		return slice_is_null(text) ? text : print(it, def, text);
	}
	for (int level = 0; level < CONFIG_LEVEL_COUNT; level++) {		/* not listed: shown as it was written */
		struct slice text = config_set_get(it->layers->at[level], name);
		if (!slice_is_null(text))
			return text;
	}
	return SLICE_NULL;
}

static void describe_broker(struct config_describe *it, struct slice name, struct config_description *out)
{
	const struct config_def *def = config_find(&config_brokers, name), *base = config_find_base(name);
	struct config_synonym list[SYNONYMS_MAX];

	memset(out, 0, sizeof(*out));
	out->name = name;
	out->type = base != NULL && base->kind != CONFIG_KIND_PLUGIN ? base->type : CONFIG_UNKNOWN;
	out->is_sensitive = out->type == CONFIG_UNKNOWN || out->type == CONFIG_PASSWORD;
	out->is_read_only = def == NULL || def->update == CONFIG_READ_ONLY || def->kind == CONFIG_KIND_DYNAMIC;
	out->is_ours = def != NULL && def->kind == CONFIG_KIND_SKEIN;
	out->doc = base != NULL ? base->doc : NULL;
	out->value = out->is_sensitive ? SLICE_NULL : broker_value(it, name, def);
	set_synonyms(it, out, list, broker_synonyms(it, name, out->is_sensitive, list));
}

/* The next name that is set somewhere, and is neither in the table's list nor at a stronger level (seen there already). */
static const struct config_entry *next_unlisted(struct config_describe *it)
{
	while (it->level < CONFIG_LEVEL_COUNT) {
		const struct config_entry *e = config_set_next(it->layers->at[it->level], &it->at);
		bool is_seen = e != NULL && is_listed(config_find(&config_brokers, e->name));
		if (e == NULL) {
			it->level++;
			it->at = 0;
			continue;
		}
		for (int level = 0; level < it->level && !is_seen; level++)
			is_seen = config_set_find(it->layers->at[level], e->name) != NULL;
		if (!is_seen)
			return e;
	}
	return NULL;
}

static bool next_of_broker(struct config_describe *it, struct config_description *out)
{
	while (it->row < config_brokers.count) {
		const struct config_def *def = &config_brokers.defs[it->row++];
		if (is_listed(def)) {
			describe_broker(it, slice_str(def->name), out);
			return true;
		}
	}
	const struct config_entry *e = next_unlisted(it);
	if (e == NULL)
		return false;
	describe_broker(it, e->name, out);
	return true;
}

static bool next_of_cluster(struct config_describe *it, struct config_description *out)
{
	const struct config_entry *e = config_set_next(it->layers->at[CONFIG_LEVEL_CLUSTER], &it->at);

	if (e != NULL)
		describe_broker(it, e->name, out);
	return e != NULL;
}

/* --- topics ------------------------------------------------------------------------------------------------------- */

/* What a topic without the override has. Lists as they were written: the field does not know their order. */
static struct slice topic_default(struct config_describe *it, const struct config_def *def)
{
	const struct config_def *broker_def = NULL;
	const struct config_entry *e;
	struct strbuf b = STRBUF_INIT;
	struct slice value;

	if (def->broker_name != NULL)
		broker_def = config_find(&config_brokers, slice_str(def->broker_name));
	if (broker_def == NULL || def->valid.check == CHECK_VERSION)
		return slice_str(def->fallback);
	if (def->type == CONFIG_LIST) {
		e = config_layers_find(it->layers, broker_def);
		return print(it, def, e != NULL ? e->text : slice_str(broker_def->fallback));
	}
	config_field_print(def, &it->broker->topic, &b);
	value = arena_copy(it->arena, strbuf_slice(&b));
	it->is_full = it->is_full || slice_is_null(value);
	strbuf_fini(&b);
	return value;
}

static bool next_of_topic(struct config_describe *it, struct config_description *out)
{
	struct config_synonym list[SYNONYMS_MAX];
	int n = 0;

	if (it->row == config_topics.count)
		return false;
	const struct config_def *def = &config_topics.defs[it->row++];
	struct slice override = config_set_get(it->overrides, slice_str(def->name));
	*out = (struct config_description){ .name = slice_str(def->name), .type = def->type, .doc = def->doc };
	if (slice_is_null(override)) {
		out->value = topic_default(it, def);
	} else {
		out->value = print(it, def, override);
		list[n++] = (struct config_synonym){ out->name, out->value, CONFIG_SOURCE_TOPIC };
	}
	if (def->broker_name != NULL)
		n += broker_synonyms(it, slice_str(def->broker_name), false, list + n);
	set_synonyms(it, out, list, n);
	return true;
}

bool config_describe_next(struct config_describe *it, struct config_description *out)
{
	switch (it->what) {
	case DESCRIBE_BROKER:  return !it->is_full && next_of_broker(it, out);
	case DESCRIBE_CLUSTER: return !it->is_full && next_of_cluster(it, out);
	case DESCRIBE_TOPIC:   return !it->is_full && next_of_topic(it, out);
	}
	return false;
}
