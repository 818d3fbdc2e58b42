/*
 * From the bytes of a frame to a decoded request, or the reason why the connection is closed.
 * Nothing is answered to a request that cannot be read, with one exception: ApiVersions in a
 * version that we do not know. A client sends that first of all, before it can know what we speak;
 * it gets error 35 in the oldest form, with the range that we do speak.
 */
#include "net/net_priv.h"
#include "wire/header.h"

const struct api_row *request_row(struct network *n, const struct frame *f)
{
	const struct net_spec *spec = n->net->spec;
	struct reader r = reader_of(slice_of(f->buf, f->size));
	int key = get_i16(&r);

	return !r.failed && key >= 0 && key < spec->row_count ? spec->rows[key] : NULL;
}

static bool is_served(const struct api_row *row, int version)
{
	return version >= row->version_min && version <= row->version_max;
}

bool request_wants_versions(const struct net_call *nc)
{
	return nc->call.api->key == API_API_VERSIONS && !is_served(nc->call.api, nc->call.version);
}

void request_answer_versions(struct net_call *nc)
{
	const struct api_row *row = nc->call.api;
	struct writer *w = &nc->out;

	writer_begin_frame(w);
	if (!header_encode_response(nc->call.correlation_id, w, API_API_VERSIONS, 0))
		writer_fail(w);
	put_i16(w, UNSUPPORTED_VERSION);
	put_i32(w, 1);
	put_i16(w, row->key);
	put_i16(w, row->version_min);
	put_i16(w, row->version_max);
	if (!writer_end_frame(w))
		nc->call.wants_close = true;
}

const char *request_open(struct net_call *nc)
{
	struct call *c = &nc->call;
	struct reader r = reader_of(c->frame);
	struct request_header h;

	c->api = request_row(c->network, &nc->frame);
	if (c->api == NULL)
		return "api";
	if (!header_decode_request(&h, &r))
		return "header";
	c->version = h.request_api_version;
	c->correlation_id = h.correlation_id;
	c->client_id = h.client_id;
	if (request_wants_versions(nc))
		return NULL;		/* the body is in a form we do not know */
	if (!is_served(c->api, c->version))
		return "version";
	c->request = arena_calloc(&c->arena, 1, c->api->request_size);
	c->response = arena_calloc(&c->arena, 1, c->api->response_size);
	if (c->request == NULL || c->response == NULL
	    || !c->api->decode(c->request, &r, c->version, &c->arena))
		return "body";
	if (c->api->response_init != NULL)
		c->api->response_init(c->response);
	return NULL;
}
