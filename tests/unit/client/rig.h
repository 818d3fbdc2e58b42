/*
 * A client and a fake broker on two simulated machines, and the clock between them.
 */
#ifndef SKEIN_TEST_CLIENT_RIG_H
#define SKEIN_TEST_CLIENT_RIG_H

#include <check.h>

#include "client/client.h"
#include "fake_broker.h"

struct rig {
	struct sim_net     *net;
	struct sim_os      *machine;
	struct fake_broker *broker;
	struct client      *client;
};

static inline void rig_init(struct rig *r, uint64_t seed, const struct client_spec *spec)
{
	struct client_error error;

	r->net = sim_net_create(seed);
	r->machine = sim_create(r->net, "client", seed + 1);
	r->broker = fake_broker_create(r->net, "broker", seed + 2);
	ck_assert_int_eq(client_create(&r->client, sim_os(r->machine), spec, &error), OK);
}

static inline void rig_fini(struct rig *r)
{
	client_destroy(&r->client);
	fake_broker_destroy(&r->broker);
	sim_destroy(&r->machine);
	sim_net_destroy(&r->net);
}

/* One millisecond of both. */
static inline void rig_step(struct rig *r)
{
	client_step(r->client, 0);
	fake_broker_step(r->broker);
	sim_advance(r->machine, 1);
}

#define RIG_SPEC { .bootstrap = "broker", .client_id = "test", .request_timeout_ms = 2000, .connect_timeout_ms = 500, \
		   .retry_backoff_ms = 20, .retry_backoff_max_ms = 100, .reconnect_backoff_ms = 10, \
		   .reconnect_backoff_max_ms = 100, .metadata_max_age_ms = 300000 }

#endif
