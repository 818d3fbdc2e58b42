/*
 * A record batch of format 2 as it lies on the wire and on disk: its header read in place, and walking from one to the
 * next. Any thread; nothing is copied, nothing allocated.
 *
 *	pos width field                     pos width field
 *	  0    8  base offset        *       23    4  last offset delta
 *	  8    4  length (total - 12) *      27    8  base timestamp, or delete horizon
 *	 12    4  leader epoch       *       35    8  max timestamp, or append time
 *	 16    1  magic, 2           *       43    8  producer id, -1 none
 *	 17    4  CRC-32C of 21..end         51    2  producer epoch, -1 none
 *	 21    2  attributes                 53    4  base sequence, -1 none
 *	                                     57    4  record count
 *	                                     61       records, one compressed stream if a codec is set
 *
 * Big endian. Fields marked * lie outside the CRC: the leader assigns offset and epoch without touching the rest.
 *
 * The accessors want a pointer to at least BATCH_HEADER_SIZE bytes of format 2: batch_next gives no other.
 */
#ifndef SKEIN_BATCH_H
#define SKEIN_BATCH_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/slice.h"
#include "record/codec.h"

#define BATCH_HEADER_SIZE   61
#define BATCH_LOG_OVERHEAD  12		/* base offset and length: what the length field does not count */
#define BATCH_PREFIX_SIZE   17		/* up to and with magic, at the same place in all formats */
#define BATCH_LENGTH_MIN    14		/* a smaller length field fits no format */
#define BATCH_MAGIC         2

#define BATCH_BASE_OFFSET_POS       0
#define BATCH_LENGTH_POS            8
#define BATCH_LEADER_EPOCH_POS      12
#define BATCH_MAGIC_POS             16
#define BATCH_CRC_POS               17
#define BATCH_ATTRIBUTES_POS        21
#define BATCH_LAST_OFFSET_DELTA_POS 23
#define BATCH_BASE_TIMESTAMP_POS    27
#define BATCH_MAX_TIMESTAMP_POS     35
#define BATCH_PRODUCER_ID_POS       43
#define BATCH_PRODUCER_EPOCH_POS    51
#define BATCH_BASE_SEQUENCE_POS     53
#define BATCH_RECORD_COUNT_POS      57

/* Attributes. Bits 7-15 are written 0 and not looked at. */
#define BATCH_CODEC_MASK       0x07
#define BATCH_LOG_APPEND_TIME  0x08
#define BATCH_TRANSACTIONAL    0x10
#define BATCH_CONTROL          0x20
#define BATCH_DELETE_HORIZON   0x40

#define NO_TIMESTAMP      (-1)
#define NO_PRODUCER_ID    (-1)
#define NO_PRODUCER_EPOCH (-1)
#define NO_SEQUENCE       (-1)

static inline int64_t batch_base_offset(const uint8_t *b)       { return (int64_t)load_be64(b + BATCH_BASE_OFFSET_POS); }
static inline int32_t batch_length(const uint8_t *b)            { return (int32_t)load_be32(b + BATCH_LENGTH_POS); }
static inline int32_t batch_leader_epoch(const uint8_t *b)      { return (int32_t)load_be32(b + BATCH_LEADER_EPOCH_POS); }
static inline int8_t  batch_magic(const uint8_t *b)             { return (int8_t)b[BATCH_MAGIC_POS]; }
static inline uint32_t batch_crc(const uint8_t *b)              { return load_be32(b + BATCH_CRC_POS); }
static inline int16_t batch_attributes(const uint8_t *b)        { return (int16_t)load_be16(b + BATCH_ATTRIBUTES_POS); }
static inline int32_t batch_last_offset_delta(const uint8_t *b) { return (int32_t)load_be32(b + BATCH_LAST_OFFSET_DELTA_POS); }
static inline time_ms batch_base_timestamp(const uint8_t *b)    { return (time_ms)load_be64(b + BATCH_BASE_TIMESTAMP_POS); }
static inline time_ms batch_max_timestamp(const uint8_t *b)     { return (time_ms)load_be64(b + BATCH_MAX_TIMESTAMP_POS); }
static inline int64_t batch_producer_id(const uint8_t *b)       { return (int64_t)load_be64(b + BATCH_PRODUCER_ID_POS); }
static inline int16_t batch_producer_epoch(const uint8_t *b)    { return (int16_t)load_be16(b + BATCH_PRODUCER_EPOCH_POS); }
static inline int32_t batch_base_sequence(const uint8_t *b)     { return (int32_t)load_be32(b + BATCH_BASE_SEQUENCE_POS); }
static inline int32_t batch_record_count(const uint8_t *b)      { return (int32_t)load_be32(b + BATCH_RECORD_COUNT_POS); }

/* Ids 5 to 7 mean nothing: compare with CODEC_COUNT before use. */
static inline int batch_codec(const uint8_t *b)                 { return batch_attributes(b) & BATCH_CODEC_MASK; }
static inline bool batch_is_log_append_time(const uint8_t *b)   { return (batch_attributes(b) & BATCH_LOG_APPEND_TIME) != 0; }
static inline bool batch_is_transactional(const uint8_t *b)     { return (batch_attributes(b) & BATCH_TRANSACTIONAL) != 0; }
static inline bool batch_is_control(const uint8_t *b)           { return (batch_attributes(b) & BATCH_CONTROL) != 0; }
static inline bool batch_has_delete_horizon(const uint8_t *b)   { return (batch_attributes(b) & BATCH_DELETE_HORIZON) != 0; }
static inline bool batch_has_producer(const uint8_t *b)         { return batch_producer_id(b) >= 0; }

/* Inclusive. The next batch begins behind it, however many records compaction left. */
static inline int64_t batch_last_offset(const uint8_t *b)
{
	return (int64_t)((uint64_t)batch_base_offset(b) + (uint64_t)(int64_t)batch_last_offset_delta(b));
}

/*
 * Tells two batches at one place of a log apart, before and after a truncation: a producer may send the same bytes again, so the CRC alone does not; and where
 * the epoch is the same as well, so is all that lies before it.
 */
static inline uint32_t batch_mark(const uint8_t *b)
{
	return batch_crc(b) ^ (uint32_t)batch_leader_epoch(b) * UINT32_C(0x9e3779b1);
}

/* Whole batch, header included. */
static inline size_t batch_size(const uint8_t *b)
{
	return (size_t)(uint32_t)batch_length(b) + BATCH_LOG_OVERHEAD;
}

/* Sequence numbers have 31 bits: after 2147483647 comes 0. */
static inline int32_t sequence_add(int32_t sequence, int32_t n)
{
	return (int32_t)(((uint32_t)sequence + (uint32_t)n) & INT32_MAX);
}

static inline int32_t batch_last_sequence(const uint8_t *b)
{
	return sequence_add(batch_base_sequence(b), batch_last_offset_delta(b));
}

static inline void batch_set_base_offset(uint8_t *b, int64_t offset)
{
	store_be64(b + BATCH_BASE_OFFSET_POS, (uint64_t)offset);
}

static inline void batch_set_leader_epoch(uint8_t *b, int32_t epoch)
{
	store_be32(b + BATCH_LEADER_EPOCH_POS, (uint32_t)epoch);
}

/*
 * Takes the next batch off *rest. *batch points into *rest's bytes.
 *   OK               a whole batch of format 2 (sizes checked, CRC not)
 *   ERR_INCOMPLETE   no whole one is left; rest->len is 0 at a clean end, otherwise a batch was cut off
 *   ERR_CORRUPT      the length or the magic is impossible; *rest stays at the damage
 *   ERR_UNSUPPORTED  a whole entry of format 0 or 1, in *batch and taken off: the accessors do not fit it
 */
enum err batch_next(struct slice *rest, struct slice *batch) MUST_CHECK;

/* Is the CRC right? batch holds one whole batch, as batch_next gave it. */
bool batch_check_crc(struct slice batch);

/* Writes the CRC of batch[0..size) into it. */
void batch_seal(uint8_t *batch, size_t size);

#endif
