/*
 * When two neighbours contradict each other, the one is believed that joins seamlessly to what stands before it.
 */
#include "storage/batch_order.h"

void batch_order_init(struct batch_order *o, int64_t segment_base, int32_t epoch)
{
	*o = (struct batch_order){ .base = segment_base, .next = MAX(segment_base, 0), .next_before = MAX(segment_base, 0), .epoch = epoch, .epoch_before = epoch };
}

static const char *take_offsets(struct batch_order *o, const uint8_t *header, bool *blames_before)
{
	int64_t base = batch_base_offset(header), last = batch_last_offset(header);
	const char *fault = NULL;

	if (o->base >= 0 && base < o->base)
		return "its offsets lie before the segment's first";
	if (o->base >= 0 && last - o->base > INT32_MAX)
		return "its offsets are too far from the segment's first";
	if (base < o->next) {
		fault = "offsets do not ascend";
		*blames_before = !o->is_contiguous && base >= o->next_before;
		if (!*blames_before)
			return fault;
		o->next = o->next_before;
	}
	o->is_contiguous = base == o->next;
	o->next_before = o->next;
	o->next = last + 1;
	return fault;
}

static const char *take_epoch(struct batch_order *o, int32_t epoch, bool *blames_before)
{
	const char *fault = NULL;

	if (epoch < 0)
		return NULL;
	if (epoch < o->epoch) {
		fault = "leader epochs descend";
		*blames_before = o->epoch_before >= 0 && o->epoch != o->epoch_before && epoch >= o->epoch_before;
		if (!*blames_before)
			return fault;
		o->epoch = o->epoch_before;
	}
	o->epoch_before = o->epoch;
	o->epoch = epoch;
	return fault;
}

const char *batch_order_take(struct batch_order *o, const uint8_t *header, bool *blames_before)
{
	bool by_offsets = false, by_epoch = false;
	const char *offsets = take_offsets(o, header, &by_offsets), *epoch = take_epoch(o, batch_leader_epoch(header), &by_epoch);

	*blames_before = offsets != NULL ? by_offsets : by_epoch;
	return offsets != NULL ? offsets : epoch;
}
