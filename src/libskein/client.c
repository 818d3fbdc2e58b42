/*
 * The client and its turn, in public types.
 */
#include <skein/skein.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "libskein/libskein.h"

const char *skein_version(void)
{
	return SKEIN_VERSION;
}

/* ---- errors ---- */

static enum skein_code code_of(enum err err)
{
	switch ((int)err) {	/* int: what is not named here has failed */
	case OK:               return SKEIN_OK;
	case ERR_AGAIN:        return SKEIN_AGAIN;
	case ERR_INVALID:      return SKEIN_INVALID;
	case ERR_NOT_FOUND:    return SKEIN_NOT_FOUND;
	case ERR_EXISTS:       return SKEIN_EXISTS;
	case ERR_ACCESS:       return SKEIN_DENIED;
	case ERR_TOO_LARGE:    return SKEIN_TOO_LARGE;
	case ERR_OUT_OF_RANGE: return SKEIN_OUT_OF_RANGE;
	case ERR_UNSUPPORTED:  return SKEIN_UNSUPPORTED;
	case ERR_TIMEOUT:      return SKEIN_TIMED_OUT;
	case ERR_REFUSED:
	case ERR_UNREACHABLE:  return SKEIN_UNREACHABLE;
	case ERR_CLOSED:       return SKEIN_CLOSED;
	case ERR_CORRUPT:
	case ERR_INCOMPLETE:   return SKEIN_DAMAGED;
	default:               return SKEIN_FAILED;
	}
}

const char *skein_code_name(enum skein_code code)
{
	static const char *const names[] = { "SKEIN_OK", "SKEIN_AGAIN", "SKEIN_INVALID", "SKEIN_NOT_FOUND", "SKEIN_EXISTS", "SKEIN_DENIED", "SKEIN_TOO_LARGE",
		"SKEIN_OUT_OF_RANGE", "SKEIN_UNSUPPORTED", "SKEIN_TIMED_OUT", "SKEIN_UNREACHABLE", "SKEIN_CLOSED", "SKEIN_DAMAGED", "SKEIN_FAILED" };

	return (size_t)code < ARRAY_LEN(names) ? names[code] : "unknown";
}

enum skein_code face_error(struct skein_error *error, const struct client_error *from)
{
	/* what the broker refused without a word of our own for it has failed; it is not the caller's call that was invalid */
	enum skein_code code = from->err == ERR_INVALID && from->kafka != NONE ? SKEIN_FAILED : code_of(from->err);

	if (error == NULL)
		return code;
	*error = (struct skein_error){ .code = code, .kafka = from->kafka, .is_retriable = client_error_is_retriable(from) };
	memcpy(error->text, from->text, sizeof(error->text));
	_Static_assert(sizeof(error->text) == sizeof(from->text), "sentences fit");
	return code;
}

enum skein_code face_fail(struct skein_error *error, enum skein_code code, const char *fmt, ...)
{
	va_list ap;

	if (error == NULL)
		return code;
	*error = (struct skein_error){ .code = code, .is_retriable = code == SKEIN_AGAIN || code == SKEIN_TIMED_OUT };
	va_start(ap, fmt);
	vsnprintf(error->text, sizeof(error->text), fmt, ap);
	va_end(ap);
	return code;
}

enum skein_code face_ok(struct skein_error *error)
{
	if (error != NULL)
		*error = (struct skein_error){ .code = SKEIN_OK };
	return SKEIN_OK;
}

void face_null(const char *what, const char *function)
{
	fprintf(stderr, "skein: %s must not be NULL, in %s\n", what, function);
	abort();
}

/* ---- life ---- */

enum skein_code skein_client_create(struct skein_client **out, const struct skein_config *config, struct skein_error *error)
{
	FACE_NEEDS(out);
	FACE_NEEDS(config);

	struct skein_client *c = mem_calloc(1, sizeof(*c));
	struct client_spec spec;
	struct client_error why;

	*out = NULL;
	config_copy(&c->config, config);
	spec = config_client_spec(&c->config);
	if (client_create(&c->client, os_real(), &spec, &why) != OK) {
		config_fini(&c->config);
		free(c);
		return face_error(error, &why);
	}
	*out = c;
	return face_ok(error);
}

void skein_client_destroy(struct skein_client **client)
{
	FACE_NEEDS(client);

	struct skein_client *c = *client;

	*client = NULL;
	if (c == NULL)
		return;
	client_destroy(&c->client);
	config_fini(&c->config);
	free(c);
}

enum skein_code skein_connect(struct skein_client *client, int64_t timeout_ms, struct skein_error *error)
{
	FACE_NEEDS(client);

	struct client_error why;

	if (client_connect(client->client, timeout_ms, &why) != OK)
		return face_error(error, &why);
	return face_ok(error);
}

/* ---- turns ---- */

void face_touch(struct skein_client *c)
{
	if (!c->is_polled || c->is_woken)
		return;
	c->is_woken = true;
	client_wake(c->client);
}

int64_t skein_step(struct skein_client *client, int64_t timeout_ms)
{
	FACE_NEEDS(client);

	mono_ms next;

	client->is_woken = false;
	if (timeout_ms != 0)
		client_step(client->client, timeout_ms);
	if (client_turn(client->client, &next) > 0)
		return 0;
	return next == MONO_NEVER ? -1 : MAX(next - os_mono_ms(client_os(client->client)), 0);
}

int skein_fd(struct skein_client *client)
{
	FACE_NEEDS(client);

	client->is_polled = true;
	return client_fd(client->client);
}

void skein_wake(struct skein_client *client)
{
	FACE_NEEDS(client);

	__atomic_store_n(&client->is_called_away, true, __ATOMIC_RELEASE);
	client_wake(client->client);
}

/* ---- what is known ---- */

const char *skein_cluster_id(const struct skein_client *client)
{
	FACE_NEEDS(client);

	return client_cluster_id(client->client);
}

enum skein_code skein_last_error(const struct skein_client *client, struct skein_error *error)
{
	FACE_NEEDS(client);

	return face_error(error, client_last_error(client->client));
}
