/*
 * skein cluster check-java: what the running Java brokers of the cluster say of themselves.
 */
#include <stdio.h>

#include "check_java.h"
#include "client/client_call.h"
#include "controller/joining.h"

#define ASK_MS 3000
#define IBP    "inter.broker.protocol.version"

/* The call with its answer, yours to destroy; NULL: why says what kept the broker from answering. */
static struct client_call *ask(struct client *c, const struct cluster_broker *b, const struct cluster_endpoint *e, struct client_error *why)
{
	struct client_call *call;

	(void)client_node_put(c, b->id, LINE_MAIN, e->host, e->port, true);
	call = client_call_create(c, API_API_VERSIONS, client_call_discard, NULL);
	call->version = 0;		/* which every broker understands */
	if (client_call_wait(call, b->id, ASK_MS) == OK)
		return call;
	*why = call->error;
	client_call_destroy(&call);
	return NULL;
}

void check_release(struct check_java *x, const struct cluster_broker *b)
{
	const struct cluster_endpoint *e = cluster_broker_endpoint(b, x->file.config->inter_broker_listener_name);
	struct client_spec spec = CLIENT_SPEC_INIT;
	struct client_error why;
	struct joining_finding f;
	struct client *c;
	char what[512];

	if (x->file.misfit.len > 0 || e == NULL)
		return;
	spec.bootstrap = NULL;
	spec.connect_timeout_ms = ASK_MS;
	enum err made = client_create(&c, os_real(), &spec, &why);
	ASSERT(made == OK);
	struct client_call *call = ask(c, b, e, &why);
	if (call == NULL) {
		snprintf(what, sizeof(what), "broker %d could not be asked of which release it is: %s", b->id, why.text);
		check_say(x, CHECK_CHANGES, "cluster", what, "see that " IBP " is the same for all brokers; where it is not set, it is the release of the broker, for skein 3.9");
	} else {
		x->has_asked_java = true;
		if (joining_release_forbids(x->file.config, b->id, call->response, &f))
			check_say_once(x, CHECK_STOPS, "cluster", f.what, f.remedy);
		client_call_destroy(&call);
	}
	client_destroy(&c);
}

void check_unset_version(struct check_java *x)
{
	if (!x->has_asked_java && config_set_find(&x->file.set, SLICE_LIT(IBP)) == NULL)
		check_say(x, CHECK_CHANGES, "file", IBP " is not set, which is 3.9 for skein, and there is no Java broker that could be asked of which release it is",
		          "if it is an older one, write that into the file: " IBP "=3.4, for instance");
}
