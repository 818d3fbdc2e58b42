/*
 * The configuration file: any bytes. Either the file is refused with a sentence, or everything that is made of it works:
 * judgement, typed fields, DescribeConfigs; and written out again it reads as the same settings.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/config_change.h"
#include "base/config_describe.h"
#include "base/config_file.h"
#include "base/config_value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_escaped(struct strbuf *out, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.ptr[i];
		if (c == '\n' || c == '\r' || c == '\t' || c == '\f') {
			strbuf_printf(out, "\\u%04x", c);
			continue;
		}
		if (c == ' ' || c == '\\' || c == '=' || c == ':' || c == '#' || c == '!')
			strbuf_add_char(out, '\\');
		strbuf_add_char(out, (char)c);
	}
}

static void check_round_trip(const struct config_set *set)
{
	struct strbuf text = STRBUF_INIT, why = STRBUF_INIT;
	const struct config_entry *e;
	struct config_set again;
	uint32_t at = 0;

	while ((e = config_set_next(set, &at)) != NULL) {
		add_escaped(&text, e->name);
		strbuf_add_char(&text, '=');
		add_escaped(&text, e->text);
		strbuf_add_char(&text, '\n');
	}
	config_set_init(&again);
	if (text.len <= CONFIG_FILE_BYTES_MAX) {
		bool is_good = config_file_parse(&again, "again", strbuf_slice(&text), &why);
		ASSERT(is_good);
		ASSERT(map_count(&again.entries) == map_count(&set->entries));
		for (at = 0; (e = config_set_next(set, &at)) != NULL; )
			ASSERT(slice_eq(config_set_get(&again, e->name), e->text));
	}
	config_set_fini(&again);
	strbuf_fini(&text);
	strbuf_fini(&why);
}

/* What Kafka would print parses again, to the same. */
static void check_printing(const struct config_set *set)
{
	struct strbuf once = STRBUF_INIT, twice = STRBUF_INIT, why = STRBUF_INIT;
	const struct config_entry *e;
	struct config_value value;
	uint32_t at = 0;

	while ((e = config_set_next(set, &at)) != NULL) {
		const struct config_def *def = config_find_base(e->name);
		if (def == NULL || !config_value_parse(def, e->text, &value, &why))
			continue;
		strbuf_reset(&once);
		strbuf_reset(&twice);
		config_value_print(def, e->text, &once);
		bool is_good = config_value_parse(def, strbuf_slice(&once), &value, &why);
		ASSERT(is_good);
		config_value_print(def, strbuf_slice(&once), &twice);
		ASSERT(slice_eq(strbuf_slice(&once), strbuf_slice(&twice)));
	}
	strbuf_fini(&once);
	strbuf_fini(&twice);
	strbuf_fini(&why);
}

static void describe_all(struct config_describe *it)
{
	struct config_description d;

	while (config_describe_next(it, &d))
		ASSERT(d.is_sensitive ? slice_is_null(d.value) : true);
}

/* The same settings as a broker's file, as dynamic configs and as a topic's overrides. */
static void use(const struct config_set *set, struct strbuf *why)
{
	struct config_layers layers = { { NULL, NULL, set } };
	struct config_refusal refusal = { .error = NONE };
	struct broker_config *broker;
	struct config_describe it;
	struct topic_config topic;
	struct arena arena;

	if (!broker_config_create(&broker, &layers, why)) {
		ASSERT(why->len > 0);
		return;
	}
	ASSERT(broker->listeners_count > 0 && broker->advertised_count > 0 && broker->log_dirs.count > 0);
	ASSERT(broker->topic.segment_ms >= 1 && broker->topic.segment_bytes >= 14);
	arena_init(&arena, 1 << 24);
	config_describe_broker(&it, &layers, &arena);
	describe_all(&it);
	config_describe_topic(&it, &layers, broker, set, &arena);
	describe_all(&it);
	(void)topic_config_resolve(&topic, set, broker, why);
	if (config_topic_check(set, broker, SLICE_LIT("t"), &refusal))
		ASSERT(refusal.error == NONE);
	if (!config_broker_check(&layers, CONFIG_LEVEL_CLUSTER, set, &refusal))
		ASSERT(refusal.error != NONE && refusal.text.len > 0);
	strbuf_fini(&refusal.text);
	arena_fini(&arena);
	broker_config_unref(&broker);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_env env = { .home = "/home/u" };
	struct config_findings findings = { .error_count = 0 };
	struct strbuf why = STRBUF_INIT;
	struct config_set set;

	config_set_init(&set);
	if (config_file_parse(&set, "f", slice_of(data, size), &why)) {
		check_round_trip(&set);
		check_printing(&set);
		config_check(&set, &findings);
		bool is_good = config_preset(&set, &env, &why);
		ASSERT(is_good);
		use(&set, &why);
	} else {
		ASSERT(why.len > 0);
	}
	config_findings_fini(&findings);
	config_set_fini(&set);
	strbuf_fini(&why);
	return 0;
}
