/*
 * The broker's configuration as the picture of the moment shows it: its layers, for
 * DescribeConfigs, and what they resolve to. One per network actor, made anew when the picture's
 * dynamic configs have changed since it was last looked at.
 */
#ifndef SKEIN_API_BROKER_VIEW_H
#define SKEIN_API_BROKER_VIEW_H

#include "api/api.h"
#include "base/config_set.h"

struct broker_view {
	/* references: what the sets were made from; NULL at first */
	struct cluster_overrides   *seen_own, *seen_defaults;
	struct config_set           own, defaults;
	struct config_layers        layers;
	struct broker_config       *config;			/* a reference */
};

struct broker_view       *broker_view_create(void);
void                      broker_view_destroy(struct broker_view **v);
/* borrowed until the handler returns */
const struct broker_view *broker_view_now(struct call *c);

/* A set of the pairs as they stand in the store. */
void overrides_to_set(const struct cluster_overrides *o, struct config_set *set);

#endif
