/*
 * A batch that the broker refused for its size becomes several that are sent instead.
 *
 * Nothing was appended, so the pieces take the batch's place in the partition's list and share its sequence numbers: whatever was sent behind it
 * was refused too (OUT_OF_ORDER_SEQUENCE_NUMBER) and follows them. What the broker takes is not said by its refusal; half of what it refused is tried,
 * and remembered for the partition, so that a producer with large batches is not refused each of them. Nothing is ever
 * remembered below half of what the broker takes, because only batches that are larger are refused. A piece has fewer records than the whole,
 * so it ends at batches of one record, which cannot be split.
 */
#include "client/producer_priv.h"

#include <stdlib.h>

#include "base/varint.h"

#define RECORD_OVERHEAD_MAX (1 + VARLONG_MAX + 5 * VARINT_MAX)

static struct producer_batch *piece_begin(const struct producer_batch *b, int32_t first, size_t out_max)
{
	struct producer_batch *piece = mem_calloc(1, sizeof(*piece));
	struct batch_spec spec = BATCH_SPEC_INIT;

	piece->partition = b->partition;
	piece->state = BATCH_OPEN;
	piece->created_at = b->created_at;	/* the time to deliver counts from there */
	piece->maybe_written = b->maybe_written;	/* if it was, the broker does not know the pieces and refuses them */
	piece->error = b->error;		/* and why, for who is told that nobody knows */
	piece->base_sequence = b->base_sequence;
	if (b->base_sequence != NO_SEQUENCE) {
		piece->base_sequence = sequence_add(b->base_sequence, first);
		spec.producer_id = batch_producer_id((const uint8_t *)b->bytes.ptr);
		spec.producer_epoch = batch_producer_epoch((const uint8_t *)b->bytes.ptr);
		spec.base_sequence = piece->base_sequence;
	}
	batch_build_begin(&piece->builder, &spec, NULL, &piece->bytes, out_max);
	return piece;
}

/* It has the records of b from first on, counted in its builder. */
static void piece_end(struct producer *p, struct producer_batch *piece, struct producer_batch *b, int32_t first)
{
	piece->record_count = piece->record_room = piece->builder.record_count;
	piece->memory = b->memory * (size_t)piece->record_count / (size_t)(b->record_count - first);	/* the last has what is left */
	b->memory -= piece->memory;
	piece->tags = mem_realloc_array(NULL, (size_t)piece->record_count, sizeof(*piece->tags));
	memcpy(piece->tags, b->tags + first, (size_t)piece->record_count * sizeof(*piece->tags));
	producer_batch_close(p, piece);
	list_insert_before(&b->link, &piece->link);
}

bool producer_batch_split(struct producer *p, struct producer_batch *b)
{
	struct producer_partition *part = b->partition;
	struct decompressor *stream;
	struct producer_batch *piece = NULL;
	struct record_iter it;
	struct record r;
	int32_t first = 0;

	ASSERT(b->state == BATCH_READY);
	if (b->record_count == 1)
		return false;
	part->batch_size_max = MIN(part->batch_size_max, b->builder.plain_bytes / 2);
	stream = decompressor_create();
	record_iter_init(&it, strbuf_slice(&b->bytes), stream, b->builder.plain_bytes);
	while (record_iter_next(&it, &r)) {
		size_t size = RECORD_OVERHEAD_MAX + r.key.len + r.value.len + r.headers.len;
		if (piece != NULL && piece->builder.plain_bytes + size > part->batch_size_max) {
			piece_end(p, piece, b, first);
			first += piece->record_count;
			piece = NULL;
		}
		if (piece == NULL)
			piece = piece_begin(b, first, (size_t)p->spec.request_size_max);
		r.offset -= first;
		batch_build_add_record(&piece->builder, &r);
	}
	ASSERT(it.err == OK);	/* this producer has written it */
	piece_end(p, piece, b, first);
	record_iter_fini(&it);
	decompressor_destroy(&stream);
	list_remove(&b->link);
	producer_batch_free(b);
	return true;
}
