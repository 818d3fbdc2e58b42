#include "wire/subscription.h"

#define SUBSCRIPTION_VERSION_MAX 3

bool subscription_read(struct slice metadata, struct consumer_protocol_subscription *s, int16_t *version, struct arena *arena)
{
	struct reader r = reader_of(slice_is_null(metadata) ? SLICE_EMPTY : metadata);
	bool failed;

	*version = get_i16(&r);
	failed = r.failed || *version < 0;
	for (int16_t v = MIN(*version, SUBSCRIPTION_VERSION_MAX); !failed && v >= 0; v--) {
		struct reader fields = r;

		consumer_protocol_subscription_init(s);
		if (consumer_protocol_subscription_decode(s, &fields, v, arena) && (v == MIN(*version, SUBSCRIPTION_VERSION_MAX) || reader_left(&fields) == 0))
			return true;
	}
	consumer_protocol_subscription_init(s);
	return false;
}
