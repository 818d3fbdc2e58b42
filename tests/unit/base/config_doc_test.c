/* docs/CONFIGURATION.md is what the tables of configs say. */
#include <check.h>
#include <stdlib.h>

#include "../document.h"
#include "base/config_table.h"
#include "base/config_value.h"

static const char *update_text(const struct config_def *def)
{
	switch (def->update) {
	case CONFIG_READ_ONLY:    return "no";
	case CONFIG_PER_BROKER:   return "per broker";
	case CONFIG_CLUSTER_WIDE: return "yes";
	}
	return "";
}

/* A cell of a table: a bar would end it. */
static void add_cell(struct strbuf *out, struct slice text)
{
	strbuf_add_str(out, " ");
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '|')
			strbuf_add_str(out, "\\");
		strbuf_add(out, &text.ptr[i], 1);
	}
	strbuf_add_str(out, " |");
}

static void add_row(struct strbuf *out, const struct config_def *def)
{
	struct strbuf cell = STRBUF_INIT;

	strbuf_add_str(out, "|");
	strbuf_printf(&cell, "`%s`", def->name);
	add_cell(out, strbuf_slice(&cell));
	strbuf_reset(&cell);
	if (def->fallback != NULL && def->fallback[0] != '\0')
		strbuf_printf(&cell, "`%s`", def->fallback);
	else
		strbuf_add_str(&cell, def->fallback == NULL ? "unset" : "empty");
	add_cell(out, strbuf_slice(&cell));
	strbuf_reset(&cell);
	config_value_allowed(def, &cell);
	add_cell(out, strbuf_slice(&cell));
	if (def->kind != CONFIG_KIND_TOPIC) {
		add_cell(out, slice_str(update_text(def)));
	} else if (def->broker_name != NULL) {
		strbuf_reset(&cell);
		strbuf_printf(&cell, "`%s`", def->broker_name);
		add_cell(out, strbuf_slice(&cell));
	} else {
		add_cell(out, SLICE_LIT("none"));
	}
	add_cell(out, slice_str(def->doc));
	strbuf_add_str(out, "\n");
	strbuf_fini(&cell);
}

static void add_brokers(struct strbuf *out, const char *title, const char *text, bool is_ours, enum config_support support)
{
	strbuf_printf(out, "\n## %s\n\n%s\n\n| name | default | allowed | may change while it runs | what it does |\n|---|---|---|---|---|\n", title, text);
	for (size_t i = 0; i < config_brokers.count; i++) {
		const struct config_def *def = &config_brokers.defs[i];
		if ((def->kind == CONFIG_KIND_SKEIN) == is_ours && def->support == support)
			add_row(out, def);
	}
}

static void add_silent(struct strbuf *out)
{
	bool is_first = true;

	strbuf_add_str(out, "\n## Accepted without effect\n\nThey concern the Java machine, KRaft, tiered storage or other things that a skein broker has not; nothing is missed.\n\n");
	for (size_t i = 0; i < config_brokers.count; i++) {
		if (config_brokers.defs[i].support != CONFIG_SILENT)
			continue;
		strbuf_printf(out, "%s`%s`", is_first ? "" : ",\n", config_brokers.defs[i].name);
		is_first = false;
	}
	strbuf_add_str(out, ".\n");
}

static void add_topics(struct strbuf *out)
{
	strbuf_add_str(out, "\n## Settings of a topic\n\nGiven when a topic is made (`skein topic create orders -c retention.ms=3600000`) and changed at any time (`skein topic alter`, "
		"`kafka-configs`). Unset, the broker's setting in the fourth column holds.\n\n| name | default | allowed | the broker's default | what it does |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < config_topics.count; i++)
		add_row(out, &config_topics.defs[i]);
}

START_TEST(the_document_is_the_tables)
{
	struct strbuf b = STRBUF_INIT;

	add_brokers(&b, "Settings of skein's own", "A Java broker ignores them with a warning.", true, CONFIG_USED);
	add_topics(&b);
	add_brokers(&b, "Kafka's settings of a broker", "With the meaning that they have in Kafka 3.9.", false, CONFIG_USED);
	add_brokers(&b, "Not yet", "One warning at the start when one of these has another value than its default; else they have no effect.", false, CONFIG_WARNED);
	add_brokers(&b, "Refused", "To ignore one of these would make the broker more open, less durable or another thing than its file says: it does not start with another value "
		"than the default.", false, CONFIG_REFUSED);
	add_silent(&b);
	check_document("CONFIGURATION.md", "<!-- What follows is written by tests/unit/base/config_doc_test.c. -->\n", strbuf_cstr(&b), "src/base/config_broker.def or config_topic.def");
	strbuf_fini(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("config documentation");
	TCase *c = tcase_create("docs");

	tcase_add_test(c, the_document_is_the_tables);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
