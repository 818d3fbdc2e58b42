/*
 * skein config diff: two topics or brokers, or one and what would hold without its own settings.
 */
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>

#include "table.h"
#include "tool.h"

typedef const struct describe_configs_response_config config_row;

/* none: what stands for no value in text. */
static void add(struct settings *x, struct table *t, struct show_list *l, struct slice name, struct slice a, struct slice b, const char *none)
{
	struct strbuf out = STRBUF_INIT;

	if (!show_is_json(x->output)) {
		table_add(t, TABLE_PLAIN, SLICE_FMT, SLICE_ARG(name));
		table_add(t, TABLE_PLAIN, SLICE_FMT, SLICE_ARG(slice_is_null(a) ? SLICE_LIT("-") : a));
		table_add(t, TABLE_PLAIN, SLICE_FMT, SLICE_ARG(slice_is_null(b) ? slice_str(none) : b));
		return;
	}
	strbuf_add_str(&out, "{\"setting\":");
	show_json_string(&out, name);
	settings_json_value(&out, "left", a);
	settings_json_value(&out, "right", b);
	strbuf_add_char(&out, '}');
	show_object(l, &out);
	strbuf_fini(&out);
}

static bool differs(struct slice a, struct slice b)
{
	return slice_is_null(a) != slice_is_null(b) || !slice_eq(a, b);
}

/* Both in order of names: what one of them does not have is null there. */
static void compare_two(struct settings *x, const struct settings_of *a, const struct settings_of *b, struct table *t, struct show_list *l)
{
	int32_t i = 0, j = 0;

	while (i < a->count || j < b->count) {
		config_row *left = i < a->count ? a->list[i] : NULL, *right = j < b->count ? b->list[j] : NULL;
		int order = left == NULL ? 1 : right == NULL ? -1 : slice_cmp(left->name, right->name);
		struct slice va = order <= 0 ? left->value : SLICE_NULL, vb = order >= 0 ? right->value : SLICE_NULL;
		if (differs(va, vb))
			add(x, t, l, order <= 0 ? left->name : right->name, va, vb, "-");
		i += order <= 0;
		j += order >= 0;
	}
}

static void compare_with_defaults(struct settings *x, const struct settings_of *a, struct table *t, struct show_list *l)
{
	for (int32_t i = 0; i < a->count; i++) {
		config_row *c = a->list[i];
		struct describe_configs_response_synonym behind = settings_behind(c, x->kind);
		if (c->config_source != SETTING_FROM_DEFAULT && (behind.source == 0 || differs(c->value, behind.value)))
			add(x, t, l, c->name, c->value, behind.value, behind.source == 0 ? "default" : "-");
	}
}

int settings_diff(struct settings *x)
{
	bool is_alone = x->name_count == 1;
	struct table_column columns[] = { { "setting", false, 0, 0 }, { x->names[0], false, 0, 10 }, { is_alone ? "without its own" : x->names[1], false, 0, 10 } };
	struct table_form form = table_form_stdout();
	struct show_list l = { .output = x->output };
	struct strbuf out = STRBUF_INIT;
	struct settings_of a, b = { .count = 0 };
	struct table t;
	int code = settings_ask(x, x->names[0], &a);

	if (code == EXIT_OK && !is_alone)
		code = settings_ask(x, x->names[1], &b);
	table_init(&t, columns, (int)ARRAY_LEN(columns));
	if (code == EXIT_OK && is_alone)
		compare_with_defaults(x, &a, &t, &l);
	else if (code == EXIT_OK)
		compare_two(x, &a, &b, &t, &l);
	if (code == EXIT_OK && show_is_json(x->output))
		show_list_end(&l);
	else if (code == EXIT_OK && table_rows(&t) == 0)
		tool_say("no difference");
	else if (code == EXIT_OK)
		table_format(&t, &form, &out);
	fwrite(strbuf_cstr(&out), 1, out.len, stdout);
	table_fini(&t);
	strbuf_fini(&out);
	settings_fini(&a);
	settings_fini(&b);
	return code;
}
