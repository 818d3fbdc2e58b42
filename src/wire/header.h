/*
 * The header in front of every request and response. Its version follows from the API's key and version: see header.c.
 */
#ifndef SKEIN_WIRE_HEADER_H
#define SKEIN_WIRE_HEADER_H

#include "wire/gen/api_table.h"
#include "wire/gen/request_header.h"
#include "wire/gen/response_header.h"

/*
 * Reads key, version, correlation id and client id (borrowed; null is read as ""). False: malformed, or a key that is not
 * in the API table. That the version is one we speak is not checked: ApiVersions has an answer for the others.
 */
bool header_decode_request(struct request_header *h, struct reader *r) MUST_CHECK;
bool header_encode_request(const struct request_header *h, struct writer *w) MUST_CHECK;

/* key and version are the request's. */
bool header_decode_response(int32_t *correlation_id, struct reader *r, int key, int version) MUST_CHECK;
bool header_encode_response(int32_t correlation_id, struct writer *w, int key, int version) MUST_CHECK;

#endif
