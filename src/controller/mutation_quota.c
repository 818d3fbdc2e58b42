#include "controller/mutation_quota.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT "<default>"

struct rule {
	double rate;		/* partitions per second */
	char   entity[];
};

struct bucket {
	double  tokens, burst;
	mono_ms refilled;
	double  rate;		/* of the last look */
	size_t  key_len;
	uint8_t key[];
};

void mutation_quotas_init(struct mutation_quotas *q, double burst_s)
{
	*q = (struct mutation_quotas){ .burst_s = burst_s };
	map_init(&q->rules);
	map_init(&q->buckets);
}

void mutation_quotas_fini(struct mutation_quotas *q)
{
	MAP_FOREACH(e, &q->rules)
		free(e->value);
	MAP_FOREACH(b, &q->buckets)
		free(b->value);
	map_fini(&q->rules);
	map_fini(&q->buckets);
}

static bool parse_rate(const char *text, double *rate)
{
	char *end;

	*rate = strtod(text, &end);
	return end != text && *end == '\0' && isfinite(*rate) && *rate > 0;
}

void mutation_quotas_set(struct mutation_quotas *q, const char *entity, const char *text)
{
	double rate;

	if (text == NULL || !parse_rate(text, &rate)) {
		free(map_remove(&q->rules, slice_str(entity)));
		return;
	}
	struct rule *r = mem_calloc(1, sizeof(*r) + strlen(entity) + 1);

	r->rate = rate;
	memcpy(r->entity, entity, strlen(entity) + 1);
	free(map_put(&q->rules, slice_str(r->entity), r));
}

/* --- which rule ----------------------------------------------------------------------------------------------------------------------- */

/* As the store spells names: what is not plain is percent-encoded. */
static void add_name(struct strbuf *out, struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.ptr[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' || c == '~')
			strbuf_add_char(out, (char)c);
		else
			strbuf_printf(out, "%%%02X", c);
	}
}

static const struct rule *look(struct mutation_quotas *q, struct strbuf *path, const char *before, struct slice name, const char *behind, struct slice second)
{
	strbuf_reset(path);
	strbuf_add_str(path, before);
	slice_is_null(name) ? strbuf_add_str(path, DEFAULT) : add_name(path, name);
	strbuf_add_str(path, behind);
	if (behind[0] != '\0')
		slice_is_null(second) ? strbuf_add_str(path, DEFAULT) : add_name(path, second);
	return map_get(&q->rules, slice_of(strbuf_cstr(path), path->len));
}

enum scope { OF_PAIR, OF_USER, OF_CLIENT };	/* for whom the rule counts */

/* Kafka's order. */
static const struct rule *find_rule(struct mutation_quotas *q, const struct mutation_payer *p, enum scope *scope)
{
	struct strbuf path = STRBUF_INIT;
	struct slice users[] = { p->user, SLICE_NULL }, clients[] = { p->client_id, SLICE_NULL };
	const struct rule *r = NULL;
	bool has_client = p->client_id.len > 0;

	for (int u = 0; r == NULL && u < 2; u++) {
		*scope = OF_PAIR;
		for (int k = 0; r == NULL && has_client && k < 2; k++)
			r = look(q, &path, "users/", users[u], "/clients/", clients[k]);
		if (r != NULL)
			break;
		*scope = OF_USER;
		r = look(q, &path, "users/", users[u], "", SLICE_NULL);
	}
	for (int k = 0; r == NULL && has_client && k < 2; k++) {
		*scope = OF_CLIENT;
		r = look(q, &path, "clients/", clients[k], "", SLICE_NULL);
	}
	strbuf_fini(&path);
	return r;
}

/* --- the bucket -------------------------------------------------------------------------------------------------------------------------- */

static void refill(struct bucket *b, double rate, double burst, mono_ms now)
{
	b->tokens = MIN(burst, b->tokens + rate * (double)(now - b->refilled) / 1000);
	b->burst = burst;
	b->rate = rate;
	b->refilled = now;
}

static void make_room(struct mutation_quotas *q, mono_ms now)
{
	if (map_count(&q->buckets) < MUTATION_BUCKETS_MAX)
		return;
	MAP_FOREACH(e, &q->buckets) {
		struct bucket *b = e->value;

		refill(b, b->rate, b->burst, now);
		if (b->tokens >= b->burst)	/* as a new one */
			free(map_remove(&q->buckets, e->key));
	}
	uint32_t at = 0;
	struct map_entry *oldest = map_next(&q->buckets, &at);

	if (oldest != NULL && map_count(&q->buckets) >= MUTATION_BUCKETS_MAX)
		free(map_remove(&q->buckets, oldest->key));
}

static struct bucket *find_bucket(struct mutation_quotas *q, const struct mutation_payer *p, enum scope scope, const struct rule *r, mono_ms now)
{
	struct strbuf key = STRBUF_INIT;

	strbuf_printf(&key, "%d", scope);
	if (scope != OF_CLIENT)
		add_name(&key, p->user);
	strbuf_add_str(&key, "/");
	if (scope != OF_USER)
		add_name(&key, p->client_id);
	struct bucket *b = map_get(&q->buckets, slice_of(strbuf_cstr(&key), key.len));

	if (b == NULL) {
		make_room(q, now);
		b = mem_calloc(1, sizeof(*b) + key.len);
		b->tokens = r->rate * q->burst_s;
		b->refilled = now;
		b->key_len = key.len;
		memcpy(b->key, strbuf_cstr(&key), key.len);
		map_put(&q->buckets, slice_of(b->key, b->key_len), b);
	}
	strbuf_fini(&key);
	refill(b, r->rate, r->rate * q->burst_s, now);
	return b;
}

static void owe(const struct bucket *b, int32_t *throttle_ms)
{
	double ms = round(-b->tokens / b->rate * 1000);

	*throttle_ms = MAX(*throttle_ms, (int32_t)MIN(ms, (double)INT32_MAX));
}

bool mutation_quotas_charge(struct mutation_quotas *q, const struct mutation_payer *payer, int32_t partitions, mono_ms now, int32_t *throttle_ms)
{
	enum scope scope;
	const struct rule *r = map_count(&q->rules) > 0 ? find_rule(q, payer, &scope) : NULL;

	if (r == NULL)
		return true;
	struct bucket *b = find_bucket(q, payer, scope, r, now);

	if (payer->is_strict && b->tokens < 0) {
		owe(b, throttle_ms);
		return false;
	}
	b->tokens -= partitions;
	if (!payer->is_strict && b->tokens < 0)
		owe(b, throttle_ms);
	return true;
}
