#include "http/console.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_value.h"
#include "http/console_priv.h"

#define PART_DEFAULT 100
#define PART_MAX     500

const struct console_file *console_file(const char *path)
{
	for (size_t i = 0; i < console_file_count; i++) {
		if (strcmp(console_files[i].path, path) == 0)
			return &console_files[i];
	}
	return NULL;
}

/* --- hosts -------------------------------------------------------------------------------------------------- */

static bool is_same_name(struct slice a, struct slice b)
{
	return a.len == b.len && strncasecmp((const char *)a.ptr, (const char *)b.ptr, a.len) == 0;
}

static bool is_address(int family, struct slice host)
{
	char text[INET6_ADDRSTRLEN];
	uint8_t address[16];

	if (host.len >= sizeof(text) || memchr(host.ptr, 0, host.len) != NULL)
		return false;
	memcpy(text, host.ptr, host.len);
	text[host.len] = 0;
	return inet_pton(family, text, address) == 1;
}

/* Takes :port off the end. False: what stands there is none. */
static bool take_port(struct slice *host)
{
	size_t at = host->len;

	while (at > 0 && host->ptr[at - 1] >= '0' && host->ptr[at - 1] <= '9')
		at--;
	if (at == 0 || host->ptr[at - 1] != ':')
		return true;
	bool is_port = host->len - at >= 1 && host->len - at <= 5;
	host->len = at - 1;
	return is_port;
}

bool console_host_is_fine(struct slice host, struct slice names)
{
	struct slice name;

	if (host.len == 0)
		return false;
	if (host.ptr[0] == '[') {
		const uint8_t *end = memchr(host.ptr, ']', host.len);
		struct slice rest = end != NULL ? slice_of(end + 1, host.len - (size_t)(end + 1 - host.ptr)) : SLICE_NULL;

		return end != NULL && take_port(&rest) && rest.len == 0 && is_address(AF_INET6, slice_of(host.ptr + 1, (size_t)(end - host.ptr) - 1));
	}
	if (!take_port(&host) || host.len == 0)
		return false;
	if (is_address(AF_INET, host) || is_same_name(host, SLICE_LIT("localhost")))
		return true;
	while (config_list_next(&names, &name)) {
		if (name.len > 0 && is_same_name(host, name))
			return true;
	}
	return false;
}

bool console_serves(const struct console *c, struct slice host)
{
	return console_host_is_fine(host, config_trim(slice_str(c->spec.hosts != NULL ? c->spec.hosts : "")));
}

/* --- arguments ------------------------------------------------------------------------------------------------ */

struct slice argument(const struct inquiry *q, const char *name)
{
	return q->r->argument(q->r->from, name);
}

bool console_number(struct slice text, int64_t *out)
{
	bool is_negative = text.len > 0 && text.ptr[0] == '-';
	int64_t n = 0;

	if (text.len <= is_negative)
		return false;
	for (size_t i = is_negative; i < text.len; i++) {
		int digit = text.ptr[i] - '0';

		if (digit < 0 || digit > 9 || __builtin_mul_overflow(n, 10, &n) || __builtin_sub_overflow(n, digit, &n))
			return false;
	}
	*out = n;		/* counted downwards: the smallest number has no positive */
	return is_negative || !__builtin_sub_overflow(0, n, out);
}

bool argument_i64(struct inquiry *q, const char *name, int64_t min, int64_t max, int64_t fallback, int64_t *out)
{
	struct slice text = argument(q, name);
	char sentence[160];

	*out = fallback;
	if (slice_is_null(text) || (console_number(text, out) && *out >= min && *out <= max))
		return true;
	snprintf(sentence, sizeof(sentence), "%s must be a whole number from %lld to %lld", name, (long long)min, (long long)max);
	inquiry_refuse(q, 400, sentence);
	return false;
}

bool argument_part(struct inquiry *q, struct part *out)
{
	return argument_i64(q, "from", 0, INT32_MAX, 0, &out->from) && argument_i64(q, "count", 1, PART_MAX, PART_DEFAULT, &out->count);
}

struct partition_addr *console_replica(const struct cluster_partition *p)
{
	return p->local != NULL ? CONTAINER_OF(p->local, struct partition_addr, counted) : NULL;
}

const struct cluster_topic *argument_topic(struct inquiry *q, const struct cluster_partition **partition)
{
	struct slice name = argument(q, "topic");
	const struct cluster_topic *t = slice_is_null(name) ? NULL : cluster_topic(q->w->picture, name);
	int64_t n;

	if (t == NULL) {
		inquiry_refuse(q, 404, "there is no such topic");
		return NULL;
	}
	if (partition == NULL)
		return t;
	if (!argument_i64(q, "partition", 0, INT32_MAX, 0, &n))
		return NULL;
	*partition = cluster_topic_partition(t, (int32_t)n);
	if (*partition == NULL)
		inquiry_refuse(q, 404, "the topic has no such partition");
	return *partition != NULL ? t : NULL;
}

/* --- inquiries -------------------------------------------------------------------------------------------------- */

static const struct {
	const char *path;
	void (*begin)(struct inquiry *q);
} paths[] = {
	{ "/api/overview", console_overview }, { "/api/brokers", console_brokers }, { "/api/topics", console_topics }, { "/api/topic", console_topic },
	{ "/api/groups", console_groups }, { "/api/group", console_group }, { "/api/messages", console_messages },
};

bool inquiry_ask(struct inquiry *q, struct partition_addr *to, struct msg *m)
{
	m->context = q;
	if (!partition_ask(q->console->spec.actor, to, m))
		return false;
	q->out++;
	return true;
}

void inquiry_refuse(struct inquiry *q, unsigned status, const char *sentence)
{
	strbuf_reset(&q->text);
	json_open(&q->text, '{');
	json_member_str(&q->text, "error", sentence);
	json_close(&q->text, '}');
	q->status = status;
	q->is_done = true;
}

static void inquiry_begin(struct inquiry *q)
{
	if (q->w->picture == NULL) {
		inquiry_refuse(q, 503, "the broker is starting");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		if (strcmp(paths[i].path, q->r->path) == 0) {
			paths[i].begin(q);
			return;
		}
	}
	inquiry_refuse(q, 404, "there is no such page");
}

struct inquiry *console_ask(struct console *c, const struct metrics_world *w, const struct console_request *r)
{
	struct inquiry *q = NULL;

	for (int i = 0; i < INQUIRIES_MAX && q == NULL; i++)
		q = c->inquiries[i].console == NULL ? &c->inquiries[i] : NULL;
	if (q == NULL)
		return NULL;
	*q = (struct inquiry){ .console = c, .w = w, .r = r, .status = 200 };
	inquiry_begin(q);
	q->r = NULL;
	q->w = NULL;
	return q;
}

bool inquiry_is_done(const struct inquiry *q)
{
	return q->is_done;
}

unsigned inquiry_status(const struct inquiry *q)
{
	return q->status;
}

char *inquiry_take(struct inquiry *q, size_t *len)
{
	*len = q->text.len;
	return strbuf_steal(&q->text);
}

void **inquiry_waiter(struct inquiry *q)
{
	return &q->waiter;
}

void inquiry_end(struct inquiry **qp)
{
	struct inquiry *q = *qp;

	ASSERT(q->out == 0);
	if (q->state != NULL)
		q->free_state(q->state);
	strbuf_fini(&q->text);
	q->console = NULL;
	*qp = NULL;
}

bool console_has_asked(const struct console *c, const struct msg *m)
{
	for (int i = 0; i < INQUIRIES_MAX; i++) {
		if (m->context == &c->inquiries[i])
			return true;
	}
	return false;
}

struct inquiry *console_on_home(struct console *c UNUSED, const struct metrics_world *w, struct msg *m)
{
	struct inquiry *q = m->context;

	if (--q->out > 0)
		return NULL;
	q->w = w;
	q->on_home(q);
	q->w = NULL;
	return q->is_done ? q : NULL;
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

struct console *console_create(const struct console_spec *spec)
{
	struct console *c = mem_calloc(1, sizeof(*c));

	c->spec = *spec;
	return c;
}

void console_destroy(struct console **c)
{
	for (int i = 0; i < INQUIRIES_MAX; i++)
		ASSERT((*c)->inquiries[i].console == NULL);
	free(*c);
	*c = NULL;
}
