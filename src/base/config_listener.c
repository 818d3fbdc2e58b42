/*
 * An endpoint is NAME://host:port; the host may be empty, a name, an IPv4 address or an IPv6 address in brackets. Names are
 * case-insensitive and kept in upper case. What the name means is told by the protocol map, in which each security protocol
 * stands for itself.
 */
#include "base/config_listener.h"

#include "base/config_value.h"

#include <ctype.h>
#include <stdlib.h>

struct parse {
	struct arena  *arena;
	struct strbuf *why;
	const char    *map_text;
};

static const struct config_choice protocols[] = {
	{ "PLAINTEXT", PROTOCOL_PLAINTEXT }, { "SSL", PROTOCOL_SSL }, { "SASL_PLAINTEXT", PROTOCOL_SASL_PLAINTEXT },
	{ "SASL_SSL", PROTOCOL_SASL_SSL },
};

static char *upper_copy(struct arena *arena, struct slice s)	/* NULL: arena full */
{
	char *copy = (char *)arena_copy(arena, s).ptr;

	for (char *p = copy; p != NULL && *p != '\0'; p++)
		*p = (char)toupper((unsigned char)*p);
	return copy;
}

static bool is_same_name(struct slice a, const char *b)
{
	return a.len == strlen(b) && strncasecmp((const char *)a.ptr, b, a.len) == 0;
}

static bool protocol_by_name(struct slice name, enum security_protocol *out)
{
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
		if (is_same_name(name, protocols[i].name)) {
			*out = (enum security_protocol)protocols[i].value;
			return true;
		}
	}
	return false;
}

/* Looks a listener's name up in "NAME:PROTOCOL,NAME:PROTOCOL". */
static bool map_find(struct parse *p, const char *name, enum security_protocol *out)
{
	struct slice rest = slice_str(p->map_text), item;

	while (config_list_next(&rest, &item)) {
		const uint8_t *colon = memchr(item.ptr, ':', item.len);
		if (colon == NULL) {
			strbuf_printf(p->why, "'" SLICE_FMT "' in listener.security.protocol.map is not NAME:PROTOCOL",
				      SLICE_ARG(item));
			return false;
		}
		size_t n = (size_t)(colon - item.ptr);
		struct slice protocol = config_trim(slice_of(colon + 1, item.len - n - 1));
		if (!is_same_name(config_trim(slice_of(item.ptr, n)), name))
			continue;
		if (protocol_by_name(protocol, out))
			return true;
		strbuf_printf(p->why, "'" SLICE_FMT "' in listener.security.protocol.map is not a security protocol; these "
			      "are PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL", SLICE_ARG(item));
		return false;
	}
	strbuf_printf(p->why, "listener %s has no security protocol in listener.security.protocol.map", name);
	return false;
}

static bool parse_port(struct slice s, int32_t *port)
{
	int64_t n = 0;

	if (s.len == 0 || s.len > 5)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
		n = n * 10 + (s.ptr[i] - '0');
	}
	*port = (int32_t)n;
	return n <= 65535;
}

static bool is_host(struct slice host)
{
	for (size_t i = 0; i < host.len; i++) {
		if (!isalnum(host.ptr[i]) && memchr("-%._:", host.ptr[i], 5) == NULL)
			return false;
	}
	return true;
}

/* host:port; host without brackets */
static bool parse_address(struct slice text, struct slice *host, int32_t *port)
{
	const uint8_t *colon = memrchr(text.ptr, ':', text.len);

	if (colon == NULL)
		return false;
	*host = slice_of(text.ptr, (size_t)(colon - text.ptr));
	if (host->len >= 2 && host->ptr[0] == '[' && host->ptr[host->len - 1] == ']')
		*host = slice_of(host->ptr + 1, host->len - 2);
	else if (memchr(host->ptr, ':', host->len) != NULL)
		return false;
	return is_host(*host) && parse_port(slice_of(colon + 1, (size_t)(text.ptr + text.len - colon) - 1), port);
}

static bool parse_endpoint(struct parse *p, struct slice text, struct listener *out)
{
	const uint8_t *scheme = memmem(text.ptr, text.len, "://", 3);
	struct slice host;

	if (scheme == NULL || scheme == text.ptr ||
	    !parse_address(slice_of(scheme + 3, text.len - (size_t)(scheme - text.ptr) - 3), &host, &out->port))
		goto malformed;
	out->name = upper_copy(p->arena, slice_of(text.ptr, (size_t)(scheme - text.ptr)));
	out->host = (const char *)arena_copy(p->arena, host).ptr;
	if (out->name == NULL || out->host == NULL) {
		strbuf_add_str(p->why, "the configuration is too large");
		return false;
	}
	return map_find(p, out->name, &out->protocol);

malformed:
	strbuf_printf(p->why, "'" SLICE_FMT "' is not NAME://host:port, with a port from 0 to 65535 (an IPv6 address stands in "
		      "brackets)", SLICE_ARG(text));
	return false;
}

static bool parse_endpoints(struct parse *p, const char *text, const struct listener **out, int *count)
{
	struct slice rest = config_trim(slice_str(text)), item;
	size_t n = 0;

	for (struct slice r = rest; config_list_next(&r, &item); )
		n++;
	struct listener *list = arena_calloc(p->arena, n + 1, sizeof(*list));
	if (list == NULL) {
		strbuf_add_str(p->why, "the configuration is too large");
		return false;
	}
	*out = list;
	*count = 0;
	while (config_list_next(&rest, &item)) {
		if (!parse_endpoint(p, item, &list[*count]))
			return false;
		for (int i = 0; i < *count; i++) {
			if (strcmp(list[i].name, list[*count].name) == 0) {
				strbuf_printf(p->why, "listener %s is there twice", list[i].name);
				return false;
			}
		}
		(*count)++;
	}
	if (*count == 0)
		strbuf_add_str(p->why, "at least one endpoint is needed, such as PLAINTEXT://:9092");
	return *count > 0;
}

static const struct listener *find(const struct listener *list, int count, const char *name)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(list[i].name, name) == 0)
			return &list[i];
	}
	return NULL;
}

/* One port serves one listener, except an IPv4 and an IPv6 address side by side, and port 0. */
static bool check_ports(struct parse *p, const struct broker_config *c)
{
	for (int i = 0; i < c->listeners_count; i++) {
		for (int j = 0; j < i; j++) {
			const struct listener *a = &c->listeners[i], *b = &c->listeners[j];
			bool is_pair = (strchr(a->host, ':') != NULL) != (strchr(b->host, ':') != NULL) &&
				       a->host[0] != '\0' && b->host[0] != '\0';
			if (a->port != b->port || a->port == 0 || is_pair)
				continue;
			strbuf_printf(p->why, "listeners %s and %s have the same port %d", b->name, a->name, a->port);
			return false;
		}
	}
	return true;
}

static bool check_protocols(struct parse *p, const struct broker_config *c)
{
	for (int i = 0; i < c->listeners_count; i++) {
		if (c->listeners[i].protocol == PROTOCOL_PLAINTEXT)
			continue;
		strbuf_printf(p->why, "listener %s needs security protocol %s, which is not supported yet; only PLAINTEXT is",
			      c->listeners[i].name, protocols[c->listeners[i].protocol].name);
		return false;
	}
	return true;
}

static bool check_advertised(struct parse *p, const struct broker_config *c)
{
	for (int i = 0; i < c->advertised_count; i++) {
		const struct listener *a = &c->advertised[i];
		if (find(c->listeners, c->listeners_count, a->name) == NULL) {
			strbuf_printf(p->why, "advertised listener %s is not in listeners", a->name);
			return false;
		}
		if (strcmp(a->host, "0.0.0.0") == 0) {
			strbuf_printf(p->why, "0.0.0.0 means every interface of this host and cannot be advertised by "
				      "listener %s; set advertised.listeners to an address clients can reach", a->name);
			return false;
		}
	}
	return true;
}

static bool is_advertised(const struct broker_config *c, const char *name)
{
	return find(c->advertised, c->advertised_count, name) != NULL;
}

static bool resolve_inter_broker(struct broker_config *c, struct parse *p)
{
	if (c->inter_broker_listener_name == NULL) {
		/* security.inter.broker.protocol can only be PLAINTEXT yet: config_check sees to it. */
		c->inter_broker_listener_name = "PLAINTEXT";
		for (int i = 0; i < c->advertised_count; i++) {
			if (c->advertised[i].protocol == PROTOCOL_PLAINTEXT && !is_advertised(c, "PLAINTEXT"))
				c->inter_broker_listener_name = c->advertised[i].name;
		}
	} else {
		c->inter_broker_listener_name = upper_copy(p->arena, slice_str(c->inter_broker_listener_name));
	}
	if (c->inter_broker_listener_name == NULL) {
		strbuf_add_str(p->why, "the configuration is too large");
		return false;
	}
	if (is_advertised(c, c->inter_broker_listener_name))
		return true;
	strbuf_printf(p->why, "the inter-broker listener %s must be among the advertised ones",
		      c->inter_broker_listener_name);
	return false;
}

static bool resolve_metrics(struct broker_config *c, struct parse *p)
{
	struct slice host;

	if (c->metrics_listener_text == NULL || c->metrics_listener_text[0] == 0)
		return true;
	if (!parse_address(slice_str(c->metrics_listener_text), &host, &c->metrics_port)) {
		strbuf_printf(p->why, "'%s' is not host:port, with a port from 0 to 65535 (an IPv6 address stands in brackets)", c->metrics_listener_text);
		return false;
	}
	c->metrics_host = (const char *)arena_copy(p->arena, host).ptr;
	if (c->metrics_host == NULL)
		strbuf_add_str(p->why, "the configuration is too large");
	return c->metrics_host != NULL;
}

bool config_listeners_resolve(struct broker_config *c, struct arena *arena, struct strbuf *why, const char **blame)
{
	struct parse p = { .arena = arena, .why = why, .map_text = c->listener_protocol_map_text };

	*blame = "listeners";
	if (!parse_endpoints(&p, c->listeners_text, &c->listeners, &c->listeners_count) || !check_ports(&p, c) ||
	    !check_protocols(&p, c))
		return false;
	c->advertised = c->listeners;
	c->advertised_count = c->listeners_count;
	if (c->advertised_listeners_text != NULL) {
		*blame = "advertised.listeners";
		if (!parse_endpoints(&p, c->advertised_listeners_text, &c->advertised, &c->advertised_count))
			return false;
	}
	if (!check_advertised(&p, c))
		return false;
	*blame = "metrics.listener";
	if (!resolve_metrics(c, &p))
		return false;
	*blame = "inter.broker.listener.name";
	return resolve_inter_broker(c, &p);
}
