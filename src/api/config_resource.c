#include "api/config_resource.h"

#include <stdlib.h>

bool config_resource_is_known(int8_t type)
{
	return type == RESOURCE_TOPIC || type == RESOURCE_BROKER ||
		type == RESOURCE_BROKER_LOGGER ||
	       type == RESOURCE_CLIENT_METRICS;
}

bool config_resource_id(struct slice name, int32_t *id)
{
	int64_t v = 0;
	size_t i = 0;
	bool is_negative = name.len > 0 && name.ptr[0] == '-';

	if (name.len > 0 && (name.ptr[0] == '-' || name.ptr[0] == '+'))
		i++;
	if (i == name.len || name.len - i > 10)
		return false;
	for (; i < name.len; i++) {
		if (name.ptr[i] < '0' || name.ptr[i] > '9')
			return false;
		v = v * 10 + (name.ptr[i] - '0');
	}
	v = is_negative ? -v : v;
	*id = (int32_t)v;
	return v >= INT32_MIN && v <= INT32_MAX;
}
