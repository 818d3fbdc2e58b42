/*
 * The form of a records field. Kafka walks all batches of all partitions once, looking for transactional ones, before it
 * checks any partition by itself: an impossible length or magic fails the whole request there, a merely incomplete batch
 * does not.
 */
#include "record/validate.h"

#include <stdio.h>

/* What Kafka's walk stumbles over, as opposed to what only this partition suffers from. */
static bool form_request_error(struct slice at, struct records_form *out)
{
	int32_t length = batch_length(at.ptr);

	if (length < BATCH_LENGTH_MIN) {
		snprintf(out->message, sizeof(out->message), "Record size %d is less than the minimum record overhead (%d)",
			 length, BATCH_LENGTH_MIN);
		return true;
	}
	int8_t magic = batch_magic(at.ptr);	/* batch_next found damage behind the length: the magic is there */
	if (magic < 0 || magic > BATCH_MAGIC) {
		snprintf(out->message, sizeof(out->message), "Invalid magic found in record: %d", magic);
		return true;
	}
	return false;
}

/* The first batch decides; one more, of any format, is one too many. */
static enum kafka_error form_first(enum err found, struct slice batch, int16_t version)
{
	if (found == ERR_CORRUPT)
		return CORRUPT_MESSAGE;
	if (found != OK)
		return INVALID_RECORD;		/* none, or of format 0 or 1 */
	if (batch_codec(batch.ptr) == CODEC_ZSTD && version < 7)
		return UNSUPPORTED_COMPRESSION_TYPE;
	return NONE;
}

void records_form_check(struct slice records, int16_t version, struct records_form *out)
{
	struct slice rest = records, batch;
	int batches = 0;

	*out = (struct records_form){ .error = INVALID_RECORD };
	for (;;) {
		enum err found = batch_next(&rest, &batch);
		if (found == ERR_CORRUPT && form_request_error(rest, out)) {
			out->request_error = CORRUPT_MESSAGE;
			break;
		}
		if (batches == 0) {
			out->error = form_first(found, batch, version);
			out->batch = batch;
		} else if (found != ERR_INCOMPLETE && out->error == NONE) {
			out->error = INVALID_RECORD;
		}
		if (found == ERR_INCOMPLETE || found == ERR_CORRUPT)
			break;
		if (found == OK && batch_is_transactional(batch.ptr))
			out->is_transactional = true;
		batches++;
	}
	if (out->error != NONE || out->request_error != NONE)
		out->batch = SLICE_NULL;
}
