/*
 * Two exceptions to "flexible versions have the newer header":
 * - the answer to ApiVersions always has the oldest one, because a client sends it before it knows what the broker speaks;
 * - ControlledShutdown v0 comes from brokers older than the client id.
 * A version above those we know has the header of the highest.
 */
#include "wire/header.h"

enum { REQUEST_NO_CLIENT_ID = 0, REQUEST_PLAIN = 1, REQUEST_FLEXIBLE = 2 };
enum { RESPONSE_PLAIN = 0, RESPONSE_FLEXIBLE = 1 };

static int request_version(const struct api_info *api, int version)
{
	if (api->key == API_CONTROLLED_SHUTDOWN && version == 0)
		return REQUEST_NO_CLIENT_ID;
	return version >= api->version_flexible ? REQUEST_FLEXIBLE : REQUEST_PLAIN;
}

static int response_version(const struct api_info *api, int version)
{
	return version >= api->version_flexible && api->key != API_API_VERSIONS ? RESPONSE_FLEXIBLE : RESPONSE_PLAIN;
}

bool header_decode_request(struct request_header *h, struct reader *r)
{
	struct reader peek = *r;
	const struct api_info *api = api_info(get_i16(&peek));
	int version = get_i16(&peek);

	if (peek.failed || api == NULL || !request_header_decode(h, r, request_version(api, version), NULL))
		return false;
	if (slice_is_null(h->client_id))
		h->client_id = SLICE_EMPTY;
	return true;
}

bool header_encode_request(const struct request_header *h, struct writer *w)
{
	const struct api_info *api = api_info(h->request_api_key);

	ASSERT(api != NULL);
	return request_header_encode(h, w, request_version(api, h->request_api_version));
}

bool header_decode_response(int32_t *correlation_id, struct reader *r, int key, int version)
{
	const struct api_info *api = api_info(key);
	struct response_header h;

	ASSERT(api != NULL);
	if (!response_header_decode(&h, r, response_version(api, version), NULL))
		return false;
	*correlation_id = h.correlation_id;
	return true;
}

bool header_encode_response(int32_t correlation_id, struct writer *w, int key, int version)
{
	const struct api_info *api = api_info(key);
	const struct response_header h = { .correlation_id = correlation_id };

	ASSERT(api != NULL);
	return response_header_encode(&h, w, response_version(api, version));
}
