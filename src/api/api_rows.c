/*
 * The table of what is served: ApiVersions advertises exactly these rows.
 */
#include "api/api.h"

extern const struct api_row fetch_row, produce_row;

const struct api_row *const api_rows[] = {
	[0] = &produce_row,
	[1] = &fetch_row,
};
const int api_row_count = ARRAY_LEN(api_rows);
