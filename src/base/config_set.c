/*
 * An entry is one allocation: the struct, the name and the text behind it.
 */
#include "base/config_set.h"

#include <stdlib.h>

void config_set_init(struct config_set *s)
{
	map_init(&s->entries);
}

void config_set_fini(struct config_set *s)
{
	MAP_FOREACH(e, &s->entries)
		free(e->value);
	map_fini(&s->entries);
}

const struct config_entry *config_set_next(const struct config_set *s, uint32_t *at)
{
	const struct map_entry *e = s != NULL ? map_next(&s->entries, at) : NULL;

	return e != NULL ? e->value : NULL;
}

void config_set_copy(struct config_set *to, const struct config_set *from)
{
	const struct config_entry *e;
	uint32_t at = 0;

	config_set_init(to);
	while ((e = config_set_next(from, &at)) != NULL)
		config_set_put(to, e->name, e->text, e->place);
}

void config_set_put(struct config_set *s, struct slice name, struct slice text, struct config_place place)
{
	ASSERT(!slice_is_null(name) && !slice_is_null(text));
	struct config_entry *e = mem_alloc(sizeof(*e) + name.len + text.len + 2);
	char *p = (char *)(e + 1);

	memcpy(p, name.ptr, name.len);
	p[name.len] = '\0';
	e->name = slice_of(p, name.len);
	p += name.len + 1;
	if (text.len != 0)
		memcpy(p, text.ptr, text.len);
	p[text.len] = '\0';
	e->text = slice_of(p, text.len);
	e->place = place;
	free(map_put(&s->entries, e->name, e));
}

bool config_set_remove(struct config_set *s, struct slice name)
{
	void *e = map_remove(&s->entries, name);

	free(e);
	return e != NULL;
}

const struct config_entry *config_set_find(const struct config_set *s, struct slice name)
{
	return s != NULL ? map_get(&s->entries, name) : NULL;
}

struct slice config_set_get(const struct config_set *s, struct slice name)
{
	const struct config_entry *e = config_set_find(s, name);

	return e != NULL ? e->text : SLICE_NULL;
}

void config_place_print(const struct config_place *place, struct strbuf *out)
{
	switch (place->origin) {
	case CONFIG_FROM_FILE:
		strbuf_printf(out, "%s:%d", place->file, place->line);
		return;
	case CONFIG_FROM_COMMAND_LINE:
		strbuf_add_str(out, "--override");
		return;
	case CONFIG_FROM_PROFILE:
		strbuf_add_str(out, "preset without zookeeper.connect");
		return;
	case CONFIG_FROM_STORE:
		strbuf_add_str(out, "dynamic config");
		return;
	}
}

const struct config_entry *config_layers_find(const struct config_layers *layers, const struct config_def *def)
{
	const struct config_def *group[CONFIG_GROUP_MAX + 1];

	config_group(def, group);
	for (int level = 0; level < CONFIG_LEVEL_COUNT; level++) {
		for (int i = 0; group[i] != NULL; i++) {
			if (config_set_find(layers->at[level], slice_str(group[i]->name)) != NULL)
				return config_set_find(layers->at[level], slice_str(def->name));
		}
	}
	return NULL;
}
