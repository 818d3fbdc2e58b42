/*
 * What the handlers own per network actor, made before its thread starts and freed after it ended.
 */
#include <stdlib.h>

#include "api/api.h"
#include "api/broker_view.h"
#include "api/fetch_watch.h"

void api_network_created(struct network *n, void *app)
{
	struct api_slot *slot = mem_calloc(1, sizeof(*slot));

	(void)app;
	slot->watches = fetch_watches_create(n);
	batch_scratch_init(&slot->scratch);
	slot->producer_ids = producer_ids_create();
	slot->broker_view = broker_view_create();
	network_set_slot(n, NETWORK_SLOT_API, slot);
}

void api_on_home(struct network *n, void *app, struct msg *m)
{
	struct api_slot *slot = network_slot(n, NETWORK_SLOT_API);

	(void)app;
	bool ours = fetch_watches_on_home(slot->watches, m);
	ASSERT(ours);		/* watches are the only messages that belong to no call */
}

void api_network_ended(struct network *n, void *app)
{
	struct api_slot *slot = network_slot(n, NETWORK_SLOT_API);

	(void)app;
	fetch_watches_destroy(&slot->watches);
	batch_scratch_fini(&slot->scratch);
	producer_ids_destroy(&slot->producer_ids);
	broker_view_destroy(&slot->broker_view);
	free(slot);
	network_set_slot(n, NETWORK_SLOT_API, NULL);
}
