#include "cluster_link.h"

#include <check.h>

#define PATIENCE_MS 900			/* without a sign of life a client gives a connection up */

uint64_t client_draw(uint64_t *random, uint64_t n)	/* xorshift64* */
{
	*random ^= *random >> 12;
	*random ^= *random << 25;
	*random ^= *random >> 27;
	return (*random * UINT64_C(0x2545f4914f6cdd1d) >> 33) % n;
}

void link_close(struct cluster_link *k)
{
	sim_client_close(&k->client);
	k->again_at = cluster_now(k->c) + (mono_ms)client_draw(k->random, 30);
	k->is_wrong = false;
	k->node = (k->node + 1 + (int)client_draw(k->random, (uint64_t)k->c->node_count - 1)) % k->c->node_count;
	k->client.b = &k->c->nodes[k->node].b;
}

void link_init(struct cluster_link *k, struct cluster_sim *c, uint64_t *random)
{
	k->c = c;
	k->random = random;
	k->node = (int)client_draw(k->random, (uint64_t)k->c->node_count);
	sim_client_init(&k->client, &k->c->nodes[k->node].b);
	link_close(k);
}

static bool link_is_open(const struct cluster_link *k)
{
	return k->client.fd >= 0 && !k->client.has_ended;
}

bool link_tend(struct cluster_link *k, bool *has_gone)
{
	mono_ms now = cluster_now(k->c);

	*has_gone = false;
	if (link_is_open(k)) {
		bool waits = k->client.is_connecting || k->client.asked_count > 0;

		if (!(waits && now > k->since + PATIENCE_MS) && !(k->is_wrong && k->client.asked_count == 0))
			return true;
	}
	if (k->client.fd >= 0) {
		link_close(k);
		*has_gone = true;
		return false;
	}
	if (now < k->again_at)
		return false;
	sim_client_connect(&k->client);
	k->since = now;
	if (k->client.has_ended)
		link_close(k);
	return link_is_open(k);
}

void link_ask(struct cluster_link *k, int16_t key, int16_t version, sim_encode *encode, const void *request, void *tag)
{
	if (k->client.asked_count == 0)
		k->since = cluster_now(k->c);
	bool is_asked = sim_client_ask(&k->client, key, version, encode, request, tag);

	ck_assert(is_asked);
}

bool link_answer(struct cluster_link *k, void **tag, struct slice *body)
{
	int16_t version;

	if (!sim_client_answer(&k->client, tag, &version, body))
		return false;
	k->since = cluster_now(k->c);
	return true;
}
