/*
 * ApiVersions (18): the table of rows as clients see it. A version of it that we do not speak never
 * gets here: net answers that one by itself (wire format of version 0), from the same table.
 */
#include <ctype.h>

#include "api/api.h"
#include "wire/gen/api_versions.h"

/* Letters and digits, inside also '-' and '.'. */
static bool is_software_name(struct slice s)
{
	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		uint8_t ch = s.ptr[i];
		bool is_inside = i > 0 && i + 1 < s.len;

		if (!((ch < 0x80 && isalnum(ch)) || (is_inside && (ch == '-' || ch == '.'))))
			return false;
	}
	return true;
}

static void api_versions_begin(struct call *c)
{
	const struct api_versions_request *r = c->request;
	struct api_versions_response *out = c->response;

	if (c->version >= 3 && (!is_software_name(r->client_software_name) ||
	                        !is_software_name(r->client_software_version))) {
		out->error_code = INVALID_REQUEST;
		return;
	}
	out->api_keys = arena_calloc(&c->arena, (size_t)api_row_count, sizeof(*out->api_keys));
	if (out->api_keys == NULL) {
		c->wants_close = true;
		return;
	}
	out->finalized_features_epoch = call_cluster(c) != NULL ? call_cluster(c)->feature_version : -1;
	for (int i = 0; i < api_row_count; i++) {
		const struct api_row *row = api_rows[i];

		if (row != NULL)
			out->api_keys[out->api_keys_count++] =
				(struct api_versions_response_api_key){
				.api_key = row->key, .min_version = row->version_min,
				.max_version = row->version_max,
			};
	}
}

API_CODEC(api_versions)

const struct api_row api_versions_row = {
	.key = 18, .version_min = 0, .version_max = 4, .name = "ApiVersions",
	.needs_no_picture = true, API_CODEC_FIELDS(api_versions),
	.begin = api_versions_begin, .on_answer = api_no_answers, .end = api_nothing_left,
};
