/*
 * Walking concatenated batches. A file's end may hold a batch that a crash cut off, and a Fetch answer one that did not
 * fit: both are ordinary ends. What cannot be the beginning of any batch is damage, and told apart from them.
 */
#include "record/batch.h"

#include "base/crc32c.h"

enum err batch_next(struct slice *rest, struct slice *batch)
{
	*batch = SLICE_NULL;
	if (rest->len < BATCH_LOG_OVERHEAD)
		return ERR_INCOMPLETE;
	if (batch_length(rest->ptr) < BATCH_LENGTH_MIN)
		return ERR_CORRUPT;
	if (rest->len < BATCH_PREFIX_SIZE)
		return ERR_INCOMPLETE;

	int8_t magic = batch_magic(rest->ptr);
	size_t size = batch_size(rest->ptr);
	if (magic < 0 || magic > BATCH_MAGIC || (magic == BATCH_MAGIC && size < BATCH_HEADER_SIZE))
		return ERR_CORRUPT;
	if (size > rest->len)
		return ERR_INCOMPLETE;
	*batch = slice_of(rest->ptr, size);
	rest->ptr += size;
	rest->len -= size;
	return magic == BATCH_MAGIC ? OK : ERR_UNSUPPORTED;
}

static uint32_t batch_crc_of(const uint8_t *batch, size_t size)
{
	return crc32c(0, batch + BATCH_ATTRIBUTES_POS, size - BATCH_ATTRIBUTES_POS);
}

bool batch_check_crc(struct slice batch)
{
	return batch.len >= BATCH_HEADER_SIZE && batch_crc(batch.ptr) == batch_crc_of(batch.ptr, batch.len);
}

void batch_seal(uint8_t *batch, size_t size)
{
	ASSERT(size >= BATCH_HEADER_SIZE);
	store_be32(batch + BATCH_CRC_POS, batch_crc_of(batch, size));
}
