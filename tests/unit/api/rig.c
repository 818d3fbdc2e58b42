#include "rig.h"

#include "replica/fetcher.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/broker_view.h"
#include "api/fetch_watch.h"
#include "base/config_file.h"

struct rig rig;

struct rig_call {
	struct call call;
	bool        is_resumed, has_ended;
};

/* --- what handlers may ask of net ------------------------------------------------------------- */

static void keep(struct call *c, struct msg *m)
{
	ck_assert_int_lt(rig.asked_count, RIG_ASKED_MAX);
	m->context = c;
	c->waiting++;
	rig.asked[rig.asked_count++] = m;
}

void call_ask(struct call *c, struct actor *to, struct msg *m)
{
	ck_assert_ptr_eq(to, &rig.controller);
	ck_assert_ptr_eq(m->home, &rig.network.actor);
	keep(c, m);
}

bool call_ask_partition(struct call *c, struct partition_addr *to, struct msg *m)
{
	if (!to->is_open)
		return false;
	keep(c, m);
	return true;
}

/* Of the handlers only watches go to partitions by themselves: they belong to no call. */
bool partition_ask(struct actor *from, struct partition_addr *to, struct msg *m)
{
	ck_assert_ptr_eq(from, &rig.network.actor);
	ck_assert_int_eq(m->kind, PARTITION_watch);
	ck_assert_int_lt(rig.watch_count, RIG_ASKED_MAX);
	if (to->is_open)
		rig.watches[rig.watch_count++] = (struct partition_watch *)m;
	return to->is_open;
}

void rig_watch_home(int i)
{
	ck_assert_int_lt(i, rig.watch_count);
	ck_assert(fetch_watches_on_home(rig.slot.watches, &rig.watches[i]->msg));
	rig.watches[i] = NULL;
}

void *call_message(struct call *c, size_t size, uint16_t kind)
{
	struct msg *m = arena_calloc(&c->arena, 1, size);

	if (m != NULL)
		msg_init(m, kind, &rig.network.actor);
	return m;
}

void call_park(struct call *c, mono_ms deadline)
{
	ck_assert(!c->is_parked);
	rig.parked_until = deadline;
	c->is_parked = true;
	((struct rig_call *)c)->is_resumed = c->connection == NULL;
}

void call_resume(struct call *c)
{
	if (c->is_parked)
		((struct rig_call *)c)->is_resumed = true;
}

/* Stands in for the fetchers. */
bool fetchers_have_lost(const struct fetchers *f UNUSED, int32_t leader, mono_ms within_ms)
{
	return rig.lost_leader >= 0 && (leader < 0 || leader == rig.lost_leader) && rig.now - rig.lost_at <= within_ms;
}

struct cluster *call_cluster(struct call *c UNUSED)      { return rig.picture; }
mono_ms call_now(struct call *c UNUSED)                  { return rig.now; }
mono_ms call_connection_age(struct call *c)              { return c->connection != NULL ? rig.connection_age : 0; }
const char *call_peer_host(struct call *c UNUSED, char buf[64])
{
	return strcpy(buf, "10.0.0.5");
}

void call_book(struct call *c UNUSED, uint64_t in UNUSED, uint64_t out UNUSED) { }
void call_count(struct call *c UNUSED, enum net_data what UNUSED, uint64_t n UNUSED) { }
time_ms call_time(struct call *c UNUSED)                 { return rig.time; }
struct actor *network_actor(struct network *n)           { return &n->actor; }
void *network_app(struct network *n)                     { return n->app; }
void *network_slot(struct network *n, int slot UNUSED)   { return n->slot; }

bool call_authorize(struct call *c UNUSED, enum acl_operation op, enum acl_resource resource,
                    struct slice name)
{
	return rig.authorize == NULL || rig.authorize(op, resource, name);
}

/* --- the world -------------------------------------------------------------------------------- */

void rig_add_broker(int32_t id, const char *listener, const char *rack)
{
	struct cluster_broker *all = mem_calloc((size_t)rig.picture->broker_count + 1,
	                                        sizeof(*all));
	int n = rig.picture->broker_count;

	if (n > 0)
		memcpy(all, rig.picture->brokers, (size_t)n * sizeof(*all));
	all[n].id = id;
	all[n].endpoint_count = 1;
	snprintf(all[n].endpoints[0].listener, sizeof(all[n].endpoints[0].listener), "%s",
	         listener);
	snprintf(all[n].endpoints[0].host, sizeof(all[n].endpoints[0].host), "host-%d", id);
	all[n].endpoints[0].port = (uint16_t)(9000 + id);
	all[n].has_rack = rack != NULL;
	snprintf(all[n].rack, sizeof(all[n].rack), "%s", rack != NULL ? rack : "");
	cluster_set_brokers(rig.picture, all, n + 1);
	free(all);
}

void rig_add_topic(const char *name, struct uuid id,
                   const struct cluster_partition_spec *partitions,
                   int32_t n)
{
	static const int32_t own[] = { 0 };
	struct cluster_overrides *none = cluster_overrides_create(NULL, 0);
	struct cluster_partition_spec *plain = mem_calloc((size_t)n, sizeof(*plain));

	for (int32_t i = 0; i < n; i++)
		plain[i] = (struct cluster_partition_spec){
			.id = i, .leader_epoch = 7, .replicas = own, .replica_count = 1, .isr = own,
			.isr_count = 1,
		};
	cluster_put_topic(rig.picture,
	                  cluster_topic_create(name, id, &rig.context.broker->topic, none,
	                                       partitions != NULL ? partitions : plain, n));
	free(plain);
	counted_unref(&none->counted);
}

static void addr_destroy(struct counted *c)
{
	free(CONTAINER_OF(c, struct partition_addr, counted));
}

struct partition_addr *rig_addr_create(void)
{
	struct partition_addr *a = mem_calloc(1, sizeof(*a));

	counted_init(&a->counted, addr_destroy);
	a->is_open = true;
	return a;
}

uint32_t rig_addr_refs(const struct partition_addr *a)
{
	return a->counted.refs;
}

void rig_setup(void)
{
	struct strbuf why = STRBUF_INIT;
	struct config_layers layers = { .at = { [CONFIG_LEVEL_FIXED] = &rig.fixed } };

	rig = (struct rig){ .time = 1000, .now = 1000 };
	config_set_init(&rig.fixed);
	ck_assert(config_preset(&rig.fixed, &(struct config_env){ .home = "/home/nobody" }, &why));
	ck_assert_msg(broker_config_create(&rig.context.broker, &layers, &why), "%s",
	              strbuf_cstr(&why));
	strbuf_fini(&why);
	rig.context.config = &rig.fixed;
	throttle_init(&rig.context.leader_throttle, 11, 1000);
	rig.context.controller = &rig.controller;
	rig.slot.producer_ids = producer_ids_create();
	rig.slot.broker_view = broker_view_create();
	rig.slot.watches = fetch_watches_create(&rig.network);
	rig.network.app = &rig.context;
	rig.network.slot = &rig.slot;
	rig.picture = cluster_create("the-cluster", 0);
	cluster_set_controller(rig.picture, 0);
	rig_add_broker(0, "PLAINTEXT", NULL);
	writer_init(&rig.out);
}

void rig_teardown(void)
{
	writer_fini(&rig.out);
	cluster_unref(&rig.picture);
	for (int i = 0; i < rig.watch_count; i++) {
		if (rig.watches[i] != NULL)
			rig_watch_home(i);
	}
	fetch_watches_destroy(&rig.slot.watches);
	broker_view_destroy(&rig.slot.broker_view);
	producer_ids_destroy(&rig.slot.producer_ids);
	broker_config_unref(&rig.context.broker);
	throttle_fini(&rig.context.leader_throttle);
	config_set_fini(&rig.fixed);
}

/* --- the life of a call ----------------------------------------------------------------------- */

static void look(struct call *c)
{
	struct rig_call *rc = (struct rig_call *)c;

	while (c->is_parked && rc->is_resumed) {
		c->is_parked = rc->is_resumed = false;
		c->api->on_wakeup(c);
	}
	if (c->waiting > 0 || c->is_parked || rc->has_ended)
		return;
	rc->has_ended = true;
	c->api->end(c);
	if (c->connection == NULL || c->wants_close)
		return;
	writer_reset(&rig.out);
	ck_assert_msg(c->api->encode(c->response, &rig.out, c->version), "%s v%d is not encodable",
	              c->api->name, c->version);
}

struct call *rig_call(const struct api_row *row, int16_t version)
{
	struct rig_call *rc = mem_calloc(1, sizeof(*rc));
	struct call *c = &rc->call;

	arena_init(&c->arena, 16 << 20);
	c->network = &rig.network;
	c->connection = (struct connection *)rc;	/* not NULL: it is open */
	c->api = row;
	c->listener = "PLAINTEXT";
	c->version = version;
	c->client_id = SLICE_LIT("test");
	c->request = arena_calloc(&c->arena, 1, row->request_size);
	c->response = arena_calloc(&c->arena, 1, row->response_size);
	ck_assert(c->request != NULL && c->response != NULL);
	row->response_init(c->response);
	return c;
}

void rig_begin(struct call *c)
{
	c->api->begin(c);
	look(c);
}

/* Another call may have been resumed by this answer: the test looks at it by rig_has_ended. */
void rig_answer(struct call *c, int i)
{
	ck_assert_int_lt(i, rig.asked_count);
	ck_assert_ptr_eq(rig.asked[i]->context, c);
	c->waiting--;
	c->api->on_answer(c, rig.asked[i]);
	look(c);
}

void rig_close(struct call *c)
{
	c->connection = NULL;
	call_resume(c);
	look(c);
}

bool rig_has_ended(const struct call *c)
{
	look((struct call *)(uintptr_t)c);
	return ((const struct rig_call *)c)->has_ended;
}

const void *rig_response(struct call *c)
{
	ck_assert(rig_has_ended(c));
	ck_assert(!c->wants_close);
	return c->response;
}

void rig_free(struct call **cp)
{
	struct call *c = *cp;

	*cp = NULL;
	ck_assert(((struct rig_call *)c)->has_ended);
	arena_fini(&c->arena);
	free(c);
}
