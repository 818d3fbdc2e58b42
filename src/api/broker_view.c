/*
 * From the picture's overrides to layers and fields. The controller publishes only overrides that
 * it could put into effect itself, so resolving them here succeeds; should it not, what held before
 * still holds.
 */
#include "api/broker_view.h"

#include <stdlib.h>

void overrides_to_set(const struct cluster_overrides *o, struct config_set *set)
{
	config_set_init(set);
	for (int32_t i = 0; i < o->count; i++)
		config_set_put(set, slice_str(o->pairs[i].name), slice_str(o->pairs[i].value),
		               (struct config_place){ .origin = CONFIG_FROM_STORE });
}

struct broker_view *broker_view_create(void)
{
	struct broker_view *v = mem_calloc(1, sizeof(*v));

	config_set_init(&v->own);
	config_set_init(&v->defaults);
	return v;
}

static void forget(struct broker_view *v)
{
	if (v->seen_own != NULL) {
		counted_unref(&v->seen_own->counted);
		counted_unref(&v->seen_defaults->counted);
	}
	config_set_fini(&v->own);
	config_set_fini(&v->defaults);
}

void broker_view_destroy(struct broker_view **vp)
{
	struct broker_view *v = *vp;

	*vp = NULL;
	forget(v);
	if (v->config != NULL)
		broker_config_unref(&v->config);
	free(v);
}

static void renew(struct broker_view *v, struct cluster *picture, const struct config_set *fixed)
{
	struct strbuf why = STRBUF_INIT;
	struct broker_config *next;

	forget(v);
	counted_ref(&picture->broker_own->counted);
	counted_ref(&picture->broker_defaults->counted);
	v->seen_own = picture->broker_own;
	v->seen_defaults = picture->broker_defaults;
	overrides_to_set(v->seen_own, &v->own);
	overrides_to_set(v->seen_defaults, &v->defaults);
	v->layers = (struct config_layers){ .at = {
		[CONFIG_LEVEL_BROKER] = &v->own, [CONFIG_LEVEL_CLUSTER] = &v->defaults,
			[CONFIG_LEVEL_FIXED] = fixed,
	} };
	if (broker_config_create(&next, &v->layers, &why)) {
		if (v->config != NULL)
			broker_config_unref(&v->config);
		v->config = next;
	}
	ASSERT(v->config != NULL);	/* the broker has started with these */
	strbuf_fini(&why);
}

const struct broker_view *broker_view_now(struct call *c)
{
	struct broker_view *v = api_slot(c)->broker_view;
	struct cluster *picture = call_cluster(c);

	if (v->seen_own != picture->broker_own || v->seen_defaults != picture->broker_defaults)
		renew(v, picture, call_api(c)->config);
	return v;
}
