/*
 * Configuration overrides as the coordination store has them: sorted pairs in one block.
 */
#include <stdlib.h>

#include "cluster/cluster.h"

static void overrides_destroy(struct counted *c)
{
	free(CONTAINER_OF(c, struct cluster_overrides, counted));
}

static int by_name(const void *a, const void *b)
{
	const struct cluster_override *x = a, *y = b;

	return strcmp(x->name, y->name);
}

struct cluster_overrides *cluster_overrides_create(const struct cluster_override *pairs, int32_t n)
{
	size_t text = 0;

	for (int32_t i = 0; i < n; i++)
		text += strlen(pairs[i].name) + strlen(pairs[i].value) + 2;
	struct cluster_overrides *o = mem_alloc(sizeof(*o) + (size_t)n * sizeof(o->pairs[0]) + text);
	char *room = (char *)(o->pairs + n);

	counted_init(&o->counted, overrides_destroy);
	o->count = 0;
	for (int32_t i = 0; i < n; i++) {
		struct cluster_override copy;

		copy.name = strcpy(room, pairs[i].name);
		room += strlen(room) + 1;
		copy.value = strcpy(room, pairs[i].value);
		room += strlen(room) + 1;
		int32_t at = 0;
		while (at < o->count && strcmp(o->pairs[at].name, copy.name) != 0)
			at++;
		o->pairs[at] = copy;
		o->count = MAX(o->count, at + 1);
	}
	qsort(o->pairs, (size_t)o->count, sizeof(o->pairs[0]), by_name);
	return o;
}

const char *cluster_overrides_get(const struct cluster_overrides *o, const char *name)
{
	for (int32_t i = 0; o != NULL && i < o->count; i++) {
		if (strcmp(o->pairs[i].name, name) == 0)
			return o->pairs[i].value;
	}
	return NULL;
}
