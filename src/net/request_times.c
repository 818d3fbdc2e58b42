/*
 * How long requests take, and where: counted for metrics, and told in the log of those that took too long.
 */
#include "base/probe.h"
#include "net/net_priv.h"

const uint32_t net_time_bounds_us[NET_TIME_BUCKETS - 1] = {
	50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000, 5000000,
};

static uint64_t us_between(const struct call *c, enum call_stage from, enum call_stage to)
{
	return c->stage[to] > c->stage[from] ? (uint64_t)(c->stage[to] - c->stage[from]) / 1000 : 0;
}

static void add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static void measure(const struct call *c)
{
	struct net_api_times *t = &c->network->times[c->api->key];
	uint64_t total = us_between(c, STAGE_RECEIVED, STAGE_SENT);
	int bucket = 0;

	while (bucket < NET_TIME_BUCKETS - 1 && total > net_time_bounds_us[bucket])
		bucket++;
	add(&t->buckets[bucket], 1);
	add(&t->total_us, total);
	add(&t->queue_us, us_between(c, STAGE_RECEIVED, STAGE_BEGUN));
	add(&t->local_us, us_between(c, STAGE_BEGUN, STAGE_ANSWERED));
	add(&t->send_us, us_between(c, STAGE_ANSWERED, STAGE_SENT));
}

/* log: until the answer was there or what was written was in the log; replication: from then on, until enough replicas or the disk had it. */
static void tell_if_slow(struct call *c)
{
	int64_t queue = (int64_t)us_between(c, STAGE_RECEIVED, STAGE_BEGUN) / 1000, send = (int64_t)us_between(c, STAGE_ANSWERED, STAGE_SENT) / 1000;
	int64_t work = (int64_t)us_between(c, STAGE_BEGUN, STAGE_ANSWERED) / 1000, replication = 0;
	char peer[64];

	if (c->written_at != 0)
		replication = MIN(MAX(c->stage[STAGE_ANSWERED] / 1000000 - c->written_at, 0), work);
	if (queue + send + (c->api->waits_for_news ? 0 : work) < c->network->net->spec->slow_request_ms)
		return;
	LOG_WARN(&c->network->actor.log, slow_request, KV_STR("api", c->api->name), KV_SLICE("client", c->client_id), KV_STR("host", call_peer_host(c, peer)),
	         KV_I64("ms", queue + work + send), KV_I64("queue_ms", queue), KV_I64("log_ms", work - replication), KV_I64("replication_ms", replication),
	         KV_I64("send_ms", send), KV_I64("bytes", (int64_t)c->frame.len));
}

void network_request_sent(struct call *c)
{
	PROBE(request__end, c, c->api->name, c->version, c->frame.len);
	if (c->network->times != NULL)
		measure(c);
	if (c->network->net->spec->slow_request_ms > 0)
		tell_if_slow(c);
}
