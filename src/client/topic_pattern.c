#include "client/topic_pattern.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "client/client_call.h"
#include "wire/gen/metadata.h"

#define NAME_BYTES_MAX 249	/* of a topic, as Kafka has it */
#define BACKOFF_MS     100
#define BACKOFF_MAX_MS 1000

struct topic_pattern {
	struct client_user  user;
	struct client      *client;
	regex_t             expression;
	bool                with_internal, is_known, has_changed;
	mono_ms             every_ms, ask_at;
	int                 failures;
	struct client_call *call;	/* under way; NULL */
	const char        **names;	/* by name; those of struct client_topic */
	int32_t             count;
};

/* ---- the answer ---- */

static bool matches(const struct topic_pattern *p, const struct metadata_response_topic *t)
{
	char name[NAME_BYTES_MAX + 1];

	if (t->error_code == UNKNOWN_TOPIC_OR_PARTITION || (t->is_internal && !p->with_internal) || t->name.len == 0 || t->name.len > NAME_BYTES_MAX)
		return false;
	memcpy(name, t->name.ptr, t->name.len);
	name[t->name.len] = '\0';
	return regexec(&p->expression, name, 0, NULL, 0) == 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Those that are not there any more: they need not be asked for. Both lists are by name. */
static void lose_rest(struct topic_pattern *p, const char *const *names, int32_t count)
{
	for (int32_t i = 0, at = 0; i < p->count; i++) {
		while (at < count && strcmp(names[at], p->names[i]) < 0)
			at++;
		if (at == count || names[at] != p->names[i])
			client_topic_lost(p->client, p->names[i]);
	}
}

/* Whatever a broker says, no topic is subscribed to twice. */
static int32_t each_once(const char **names, int32_t count)
{
	int32_t n = 0;

	for (int32_t i = 0; i < count; i++) {
		if (n == 0 || names[n - 1] != names[i])
			names[n++] = names[i];
	}
	return n;
}

static void take(struct topic_pattern *p, const struct metadata_response *r)
{
	const char **names = mem_calloc((size_t)r->topics_count + 1, sizeof(*names));
	int32_t count = 0;

	for (int32_t i = 0; i < r->topics_count; i++) {
		const struct client_topic *t = matches(p, &r->topics[i]) ? client_topic_found(p->client, r->topics[i].name) : NULL;

		if (t != NULL)
			names[count++] = t->name;
	}
	if (count > 0)
		qsort(names, (size_t)count, sizeof(*names), by_name);
	count = each_once(names, count);
	if (!p->is_known || count != p->count || (count > 0 && memcmp(names, p->names, (size_t)count * sizeof(*names)) != 0))
		p->has_changed = true;
	p->is_known = true;
	lose_rest(p, names, count);
	free(p->names);
	p->names = names;
	p->count = count;
}

static void ask_done(struct client_call *call)
{
	struct topic_pattern *p = call->owner;
	mono_ms now = os_mono_ms(client_os(p->client));

	p->call = NULL;
	if (call->error.err == OK) {
		take(p, call->response);
		p->failures = 0;
		p->ask_at = now + p->every_ms;
	} else {
		p->failures++;
		p->ask_at = now + client_backoff(p->client, BACKOFF_MS, BACKOFF_MAX_MS, p->failures);
	}
	client_call_destroy(&call);
}

static mono_ms pattern_turn(struct client_user *u, mono_ms now)
{
	struct topic_pattern *p = CONTAINER_OF(u, struct topic_pattern, user);

	if (p->call == NULL && now >= p->ask_at) {
		struct metadata_request *q;

		p->call = client_call_create(p->client, API_METADATA, ask_done, p);
		q = p->call->request;
		q->topics_count = -1;		/* all */
		q->allow_auto_topic_creation = false;
		client_call_send(p->call, NODE_ANY, 0);
	}
	return p->call != NULL ? MONO_NEVER : p->ask_at;
}

/* ---- life ---- */

/* One expression that matches whole names only. */
static enum err compile(regex_t *out, const char *const *expressions, int count, char why[200])
{
	struct strbuf whole = STRBUF_INIT;
	char said[80];
	enum err e = OK;

	for (int i = 0; i < count && e == OK; i++) {	/* each for itself first: "a)(b" would be one among others, and which of them is wrong is to be told */
		int bad = regcomp(out, expressions[i], REG_EXTENDED | REG_NOSUB);

		if (bad == 0) {
			regfree(out);
		} else {
			regerror(bad, out, said, sizeof(said));
			snprintf(why, 200, "\"%.60s\" is no regular expression: %s", expressions[i], said);
			e = ERR_INVALID;
		}
		strbuf_printf(&whole, "%s^(%s)$", i > 0 ? "|" : "", expressions[i]);
	}
	if (e == OK && regcomp(out, strbuf_cstr(&whole), REG_EXTENDED | REG_NOSUB) != 0) {
		snprintf(why, 200, "these expressions are too much together");
		e = ERR_INVALID;
	}
	strbuf_fini(&whole);
	return e;
}

enum err topic_pattern_create(struct topic_pattern **out, struct client *c, const char *const *expressions, int count, bool with_internal, mono_ms every_ms,
			      char why[200])
{
	struct topic_pattern *p = mem_calloc(1, sizeof(*p));
	enum err e = compile(&p->expression, expressions, count, why);

	*out = NULL;
	if (e != OK) {
		free(p);
		return e;
	}
	p->client = c;
	p->with_internal = with_internal;
	p->every_ms = every_ms;
	p->user.on_turn = pattern_turn;
	client_user_add(c, &p->user);
	*out = p;
	return OK;
}

void topic_pattern_destroy(struct topic_pattern **pp)
{
	struct topic_pattern *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	client_user_remove(p->client, &p->user);
	client_call_destroy(&p->call);
	regfree(&p->expression);
	free(p->names);
	free(p);
}

bool topic_pattern_changed(struct topic_pattern *p)
{
	bool changed = p->has_changed;

	p->has_changed = false;
	return changed;
}

const char *const *topic_pattern_names(const struct topic_pattern *p)
{
	return p->names;
}

int32_t topic_pattern_count(const struct topic_pattern *p)
{
	return p->count;
}
