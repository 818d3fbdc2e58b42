/*
 * skein config set, unset: names are looked at first, so that a mistyped one is not kept as a setting that nobody reads.
 */
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_table.h"
#include "base/nearest.h"
#include "setting.h"
#include "table.h"
#include "tool.h"

static bool is_known_here(enum admin_resource type, struct slice name)
{
	return type == ADMIN_TOPIC ? config_find(&config_topics, name) != NULL : type == ADMIN_BROKER && config_find_base(name) != NULL;
}

/* A name that is neither among the resource's settings nor one that shows only once it is set. */
static int refuse_name(struct settings *x, const struct settings_of *now, const struct setting *s)
{
	const struct config_table *table = x->kind->type == ADMIN_TOPIC ? &config_topics : &config_brokers;
	struct nearest near;

	nearest_init(&near, slice_str(s->name));
	for (int32_t i = 0; i < now->count; i++)
		nearest_offer(&near, ((const struct describe_configs_response_config *)now->list[i])->name);
	for (size_t i = 0; x->kind->type != ADMIN_LOGGER && i < table->count; i++)
		nearest_offer(&near, slice_str(table->defs[i].name));
	if (slice_is_null(near.name))
		tool_say("%s have no setting \"%s\" (--force sends it all the same)", x->kind->type == ADMIN_TOPIC ? "topics" : "brokers", s->name);
	else
		tool_say("%s have no setting \"%s\"; the nearest is "SLICE_FMT" (--force sends it all the same)",
			 x->kind->type == ADMIN_TOPIC ? "topics" : "brokers", s->name, SLICE_ARG(near.name));
	return EXIT_NOT_FOUND;
}

static int parse_changes(struct settings *x, char **texts, struct setting *list, int count)
{
	bool is_unset = strcmp(x->verb, "unset") == 0;

	for (int i = 0; i < count; i++) {
		if (is_unset)
			list[i] = (struct setting){ .name = texts[i], .op = ADMIN_UNSET };
		else if (!setting_parse(texts[i], &list[i]))
			return tool_usage("config", "\"%s\" is not SETTING=VALUE", texts[i]);
		if (is_unset && strchr(texts[i], '=') != NULL)
			return tool_usage("config", "unset takes names only, not \"%s\"", texts[i]);
		setting_resolve(&list[i]);
		for (int j = 0; j < i; j++) {
			if (strcmp(list[i].name, list[j].name) == 0)
				return tool_usage("config", "%s is named twice", list[i].name);
		}
	}
	return EXIT_OK;
}

static int check_names(struct settings *x, const struct settings_of *now, const struct setting *list, int count)
{
	int code = EXIT_OK;

	for (int i = 0; i < count && !x->force; i++) {
		struct slice name = slice_str(list[i].name);
		if (settings_find(now, name) == NULL && !is_known_here(x->kind->type, name))
			code = refuse_name(x, now, &list[i]);
	}
	return code;
}

/* ---- telling ---- */

static const char *const op_names[] = { [ADMIN_SET] = "set", [ADMIN_UNSET] = "unset", [ADMIN_APPEND] = "append", [ADMIN_SUBTRACT] = "subtract" };

static void add_object(struct settings *x, const char *name, struct show_list *l, const struct setting *s, struct slice before, struct slice after)
{
	struct strbuf out = STRBUF_INIT;

	strbuf_printf(&out, "{\"kind\":\"%s\",\"name\":", x->kind->name);
	show_json_string(&out, slice_str(name));
	settings_json_value(&out, "setting", slice_str(s->name));
	strbuf_printf(&out, ",\"op\":\"%s\"", op_names[s->op]);
	settings_json_value(&out, "before", before);
	settings_json_value(&out, "value", after);
	strbuf_printf(&out, ",\"dry_run\":%s}", x->dry_run ? "true" : "false");
	show_object(l, &out);
	strbuf_fini(&out);
}

static void add_row(struct table *t, const struct setting *s, struct slice before, struct slice after, const char *source)
{
	static const char *const words[] = { [ADMIN_SET] = "", [ADMIN_UNSET] = "", [ADMIN_APPEND] = "with ", [ADMIN_SUBTRACT] = "without " };

	table_add(t, TABLE_PLAIN, "%s", s->name);
	table_add(t, TABLE_DIM, SLICE_FMT, SLICE_ARG(slice_is_null(before) ? SLICE_LIT("-") : before));
	table_add(t, TABLE_PLAIN, "%s"SLICE_FMT, words[s->op], SLICE_ARG(slice_is_null(after) ? SLICE_LIT("default") : after));
	if (s->op == ADMIN_UNSET)
		table_add(t, TABLE_DIM, "%s", source);
	else
		table_add(t, TABLE_DIM, "%s", s->value == s->number ? s->typed : "");
}

static bool is_secret(const struct describe_configs_response_config *c, const struct setting *s)
{
	const struct config_def *def = config_find_base(slice_str(s->name));

	return (c != NULL && c->is_sensitive) || (def != NULL && def->type == CONFIG_PASSWORD);
}

/* Of an unset setting what holds then is shown. */
static void tell(struct settings *x, const struct settings_of *now, const struct setting *list, int count)
{
	static const struct table_column columns[] = { { "setting", false, 0, 0 }, { "was", false, 1, 10 }, { "is", false, 0, 10 }, { "", false, 2, 0 } };
	static const struct table_column tried[] = { { "setting", false, 0, 0 }, { "is", false, 1, 10 }, { "would be", false, 0, 10 }, { "", false, 2, 0 } };
	struct table_form form = table_form_stdout();
	struct show_list l = { .output = x->output };
	struct strbuf out = STRBUF_INIT;
	struct table t;

	table_init(&t, x->dry_run ? tried : columns, (int)ARRAY_LEN(columns));
	for (int i = 0; i < count; i++) {
		const struct describe_configs_response_config *c = settings_find(now, slice_str(list[i].name));
		struct describe_configs_response_synonym behind = { .value = SLICE_NULL };
		if (c != NULL && list[i].op == ADMIN_UNSET)
			behind = settings_behind(c, x->kind);
		struct slice before = c != NULL ? c->value : SLICE_NULL;
		struct slice after = list[i].op == ADMIN_UNSET ? behind.value : is_secret(c, &list[i]) ? SLICE_LIT("(hidden)") : slice_str(list[i].value);
		if (show_is_json(x->output))
			add_object(x, now->name, &l, &list[i], before, after);
		else
			add_row(&t, &list[i], before, after, behind.source != 0 ? settings_source(behind.source) : "");
	}
	if (show_is_json(x->output))
		show_list_end(&l);
	else
		table_format(&t, &form, &out);
	fwrite(strbuf_cstr(&out), 1, out.len, stdout);
	table_fini(&t);
	strbuf_fini(&out);
}

/* ---- the verbs ---- */

static int change(struct settings *x, const char *name, const struct setting *list, int count)
{
	struct admin_change *changes = mem_calloc((size_t)count, sizeof(*changes));
	struct client_error error;

	for (int i = 0; i < count; i++)
		changes[i] = (struct admin_change){ list[i].name, list[i].value, list[i].op };
	tool_change_begin();
	enum err e = admin_change_configs(x->client, x->kind->type, name, changes, count, x->dry_run, TOOL_CHANGE_MS, &error);
	tool_change_end();
	free(changes);
	return e == OK ? EXIT_OK : tool_fail(&error);
}

int settings_set(struct settings *x)
{
	const char *name = x->kind->has_names ? x->names[0] : "";
	char **texts = x->names + x->kind->has_names, subject[300];
	int count = x->name_count - x->kind->has_names;
	struct setting *list = mem_calloc((size_t)MAX(count, 1), sizeof(*list));
	struct settings_of now = { .name = name };
	int code = parse_changes(x, texts, list, count);

	if (code == EXIT_OK)
		code = settings_ask(x, name, &now);
	if (code == EXIT_OK)
		code = check_names(x, &now, list, count);
	if (code == EXIT_OK)
		code = change(x, name, list, count);
	if (code == EXIT_OK)
		tell(x, &now, list, count);
	if (code == EXIT_OK && x->dry_run)
		tool_say("%s: the brokers would take this; nothing has been changed", settings_subject(x, name, subject));
	settings_fini(&now);
	free(list);
	return code;
}
