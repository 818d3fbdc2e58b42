/*
 * Before a broker joins: which releases of Kafka the Java brokers of the cluster are of. What brokers say to each other has the versions of inter.broker.protocol.version, nothing is
 * negotiated, and who does not know the version of a request closes the connection without a word. A replica that fetches so would never be in sync, and nobody would be told why. So each of
 * them is asked, once, which versions it speaks.
 *
 * One that cannot be reached tells nothing, and holds up the start for a moment only: it may be the one whose place in the cluster is wanted.
 */
#include <stdio.h>
#include <stdlib.h>

#include "controller/controller_priv.h"
#include "controller/joining.h"
#include "wire/gen/api_versions.h"

#define ASK_MS 2000		/* to get there, and then for the answer */

struct peer_question {
	struct channel_call         call;
	struct api_versions_request request;
	char                        host[256];
	struct list                 link;
};

void controller_peers_add(struct controller *c, struct list *questions, const struct cluster_broker *peer)
{
	const struct cluster_endpoint *e = controller_inter_broker_endpoint(c, peer);

	if (e == NULL || c->spec.channels == NULL)
		return;
	struct peer_question *q = mem_calloc(1, sizeof(*q));
	snprintf(q->host, sizeof(q->host), "%s", e->host);
	api_versions_request_init(&q->request);
	channel_call_init(&q->call, &c->actor);
	q->call.broker = peer->id;
	q->call.line = CHANNEL_TO_MEMBER;
	q->call.host = q->host;
	q->call.port = e->port;
	q->call.key = API_API_VERSIONS;
	q->call.version = 0;		/* which every broker understands */
	q->call.request = &q->request;
	q->call.connect_timeout_ms = q->call.timeout_ms = ASK_MS;
	list_push_back(questions, &q->link);
}

void controller_peers_ask(struct controller *c, struct task *t, struct list *questions)
{
	LIST_FOREACH(e, questions)
		task_ask_actor(c, t, channels_actor(c->spec.channels), &LIST_ENTRY(e, struct peer_question, link)->call.msg);
}

bool controller_peers_forbid(struct controller *c, const struct list *questions, struct joining_finding *f)
{
	LIST_FOREACH(e, questions) {
		const struct peer_question *q = LIST_ENTRY(e, struct peer_question, link);

		if (q->call.result != OK)
			LOG_WARN(&c->actor.log, peer_tells_nothing, KV_I32("broker", q->call.broker), KV_STR("why", q->call.problem));
		else if (joining_release_forbids(c->config, q->call.broker, q->call.response, f))
			return true;
	}
	return false;
}

void controller_peers_end(struct controller *c, struct list *questions)
{
	struct list *e;

	while ((e = list_pop_front(questions)) != NULL) {
		struct peer_question *q = LIST_ENTRY(e, struct peer_question, link);

		controller_close_line(c, q->call.broker, q->call.line);	/* nothing more is said to it before somebody is elected */
		channel_call_fini(&q->call);
		free(q);
	}
}
