/*
 * The producer, in public types. Failures nobody listens to are kept for skein_flush.
 */
#include <skein/producer.h>

#include <stdlib.h>

#include "client/producer.h"
#include "libskein/libskein.h"

#define HEADERS_INLINE 16
#define STEP_EVERY_MS  1	/* what skein_send_wait has accepted goes out while the program goes on sending */

struct skein_producer {
	struct skein_client *client;
	struct producer     *producer;
	skein_delivery_fn   *on_delivery;	/* may be NULL */
	void                *arg;
	mono_ms              step_at;
	struct skein_error   failure;		/* the first since the last flush; SKEIN_OK */
};

static void on_delivery(void *arg, const struct producer_delivery *d)
{
	static const struct skein_error none = { .code = SKEIN_OK };
	struct skein_producer *p = arg;
	struct skein_error error;
	struct skein_delivery out = { .tag = d->tag, .topic = d->topic, .partition = d->partition, .offset = d->offset, .timestamp = d->timestamp, .error = &none };

	if (d->error->err != OK) {
		face_error(&error, d->error);
		out.error = &error;
		if (p->failure.code == SKEIN_OK)
			p->failure = error;
	}
	if (p->on_delivery != NULL)
		p->on_delivery(p->arg, &out);
}

enum skein_code skein_producer_create(struct skein_producer **out, struct skein_client *client, const struct skein_config *config,
				      skein_delivery_fn *deliver, void *arg, struct skein_error *error)
{
	FACE_NEEDS(out);
	FACE_NEEDS(client);

	struct skein_producer *p = mem_calloc(1, sizeof(*p));
	struct producer_spec spec = config_producer_spec(config != NULL ? config : &client->config);
	struct client_error why;

	p->client = client;
	p->on_delivery = deliver;
	p->arg = arg;
	spec.on_delivery = on_delivery;
	spec.arg = p;
	*out = NULL;
	if (producer_create(&p->producer, client->client, &spec, &why) != OK) {
		free(p);
		return face_error(error, &why);
	}
	*out = p;
	return face_ok(error);
}

void skein_producer_destroy(struct skein_producer **producer)
{
	FACE_NEEDS(producer);

	struct skein_producer *p = *producer;

	*producer = NULL;
	if (p == NULL)
		return;
	producer_destroy(&p->producer);
	free(p);
}

/* NULL: the record can be. */
static const char *fault_of(const struct skein_record *r)
{
	if (r->topic == NULL || *r->topic == '\0')
		return "a record needs a topic";
	if (r->header_count < 0 || (r->header_count > 0 && r->headers == NULL))
		return "a record has a negative number of headers, or none where it says how many";
	bool is_long = r->key.len > INT32_MAX || r->value.len > INT32_MAX;
	for (int32_t i = 0; i < r->header_count; i++) {
		if (r->headers[i].name.ptr == NULL)
			return "a header needs a name";
		is_long |= r->headers[i].name.len > INT32_MAX || r->headers[i].value.len > INT32_MAX;
	}
	if (is_long)	/* nor could their sum be told */
		return "no part of a record can be longer than 2^31 - 1 bytes";
	return r->timestamp < SKEIN_NOW ? "a record's time cannot lie before 1970" : NULL;
}

enum skein_code skein_send(struct skein_producer *producer, const struct skein_record *record, struct skein_error *error)
{
	FACE_NEEDS(producer);
	FACE_NEEDS(record);

	struct record_header few[HEADERS_INLINE], *headers = few;
	const char *fault = fault_of(record);
	struct client_error why;
	enum err e;

	if (fault != NULL)
		return face_fail(error, SKEIN_INVALID, "%s", fault);
	if (record->header_count > HEADERS_INLINE)
		headers = mem_calloc((size_t)record->header_count, sizeof(*headers));
	for (int32_t i = 0; i < record->header_count; i++)
		headers[i] = (struct record_header){ face_slice(record->headers[i].name), face_slice(record->headers[i].value) };
	struct producer_record r = { .topic = slice_str(record->topic), .partition = record->partition, .key = face_slice(record->key),
				     .value = face_slice(record->value), .headers = headers, .header_count = record->header_count,
				     .timestamp = record->timestamp, .tag = record->tag };
	e = producer_send(producer->producer, &r, &why);
	if (headers != few)
		free(headers);
	if (e == OK) {
		face_touch(producer->client);
		return SKEIN_OK;
	}
	if (e == ERR_AGAIN)
		return face_fail(error, SKEIN_AGAIN, "the producer's memory is used up, or topic %.200s is not known yet", record->topic);
	return face_error(error, &why);
}

enum skein_code skein_send_wait(struct skein_producer *producer, const struct skein_record *record, int64_t timeout_ms, struct skein_error *error)
{
	FACE_NEEDS(producer);
	FACE_NEEDS(record);

	struct client *c = producer->client->client;
	mono_ms begin = os_mono_ms(client_os(c)), deadline = begin + timeout_ms;
	enum skein_code code;

	if (begin >= producer->step_at) {
		client_step(c, 0);
		producer->step_at = begin + STEP_EVERY_MS;
	}
	while ((code = skein_send(producer, record, error)) == SKEIN_AGAIN) {
		mono_ms now = os_mono_ms(client_os(c));

		if (now >= deadline) {
			const struct client_error *last = client_last_error(c);

			return face_fail(error, SKEIN_TIMED_OUT, "no room in buffer.memory, or no word of topic %.100s, within %lld ms%s%.150s", record->topic,
					 (long long)timeout_ms, last->err != OK ? ": " : "", last->text);
		}
		client_step(c, deadline - now);
	}
	return code;
}

int64_t skein_pending(const struct skein_producer *producer)
{
	FACE_NEEDS(producer);

	return producer_pending(producer->producer);
}

void skein_push(struct skein_producer *producer)
{
	FACE_NEEDS(producer);

	if (producer_push(producer->producer))
		face_touch(producer->client);
}

enum skein_code skein_flush(struct skein_producer *producer, int64_t timeout_ms, struct skein_error *error)
{
	FACE_NEEDS(producer);

	enum err e = producer_flush(producer->producer, timeout_ms);
	struct skein_error failure = producer->failure;

	if (e != OK) {
		const struct client_error *last = client_last_error(producer->client->client);

		return face_fail(error, SKEIN_TIMED_OUT, "%lld records have no answer after %lld ms%s%.200s", (long long)skein_pending(producer),
				 (long long)timeout_ms, last->err != OK ? ": " : "", last->text);
	}
	producer->failure = (struct skein_error){ .code = SKEIN_OK };
	if (error != NULL)
		*error = failure;
	return failure.code;
}
