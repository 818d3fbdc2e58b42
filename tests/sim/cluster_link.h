/*
 * A client's connection to a simulated cluster: to one broker after another, until one can help. Draws come from the client's own state, so that what the test does elsewhere
 * changes nothing here.
 */
#ifndef SKEIN_TESTS_CLUSTER_LINK_H
#define SKEIN_TESTS_CLUSTER_LINK_H

#include "cluster_sim.h"

struct cluster_link {
	struct cluster_sim *c;
	uint64_t           *random;
	struct sim_client   client;
	int                 node;
	mono_ms             since;	/* the last sign of life, or the question that waits for one */
	mono_ms             again_at;	/* not connected before */
	bool                is_wrong;	/* this broker cannot help: another is tried when all is answered */
};

uint64_t client_draw(uint64_t *random, uint64_t n);	/* 0 .. n - 1 */

void link_init(struct cluster_link *k, struct cluster_sim *c, uint64_t *random);
void link_close(struct cluster_link *k);		/* another broker is next */
/* True: there is a connection, or one is coming about. False: not now; *has_gone: there was one, and with it the answers. */
bool link_tend(struct cluster_link *k, bool *has_gone);
void link_ask(struct cluster_link *k, int16_t key, int16_t version, sim_encode *encode, const void *request, void *tag);
bool link_answer(struct cluster_link *k, void **tag, struct slice *body);

#endif
