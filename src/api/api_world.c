/*
 * What the handlers own per network actor, made before its thread starts and freed after it ended.
 */
#include <stdlib.h>

#include "api/api.h"
#include "api/broker_view.h"
#include "api/fetch_watch.h"

#define IDLE_SCRATCHES 4	/* kept between jobs: as many as there are workers */

void api_network_created(struct network *n, void *app)
{
	struct api_slot *slot = mem_calloc(1, sizeof(*slot));

	(void)app;
	slot->watches = fetch_watches_create(n);
	batch_scratch_init(&slot->scratch);
	slot->producer_ids = producer_ids_create();
	slot->broker_view = broker_view_create();
	list_init(&slot->idle_scratches);
	network_set_slot(n, NETWORK_SLOT_API, slot);
}

void api_on_home(struct network *n, void *app, struct msg *m)
{
	struct api_slot *slot = network_slot(n, NETWORK_SLOT_API);

	(void)app;
	bool ours = fetch_watches_on_home(slot->watches, m);
	ASSERT(ours);		/* watches are the only messages that belong to no call */
}

struct api_scratch *api_scratch_take(struct api_slot *slot)
{
	struct api_scratch *s;

	if (!list_empty(&slot->idle_scratches)) {
		slot->idle_scratch_count--;
		return LIST_ENTRY(list_pop_front(&slot->idle_scratches), struct api_scratch, link);
	}
	s = mem_calloc(1, sizeof(*s));
	batch_scratch_init(&s->scratch);
	return s;
}

static void scratch_free(struct api_scratch *s)
{
	batch_scratch_fini(&s->scratch);
	free(s);
}

void api_scratch_give(struct api_slot *slot, struct api_scratch *s)
{
	if (slot->idle_scratch_count == IDLE_SCRATCHES) {
		scratch_free(s);
		return;
	}
	list_push_front(&slot->idle_scratches, &s->link);
	slot->idle_scratch_count++;
}

void api_network_ended(struct network *n, void *app)
{
	struct api_slot *slot = network_slot(n, NETWORK_SLOT_API);

	(void)app;
	fetch_watches_destroy(&slot->watches);
	batch_scratch_fini(&slot->scratch);
	producer_ids_destroy(&slot->producer_ids);
	broker_view_destroy(&slot->broker_view);
	while (!list_empty(&slot->idle_scratches))
		scratch_free(LIST_ENTRY(list_pop_front(&slot->idle_scratches), struct api_scratch,
		                        link));
	free(slot);
	network_set_slot(n, NETWORK_SLOT_API, NULL);
}
