/*
 * Walks a segment file whatever bytes it holds: whole batches, entries of old formats, and damage, behind which the next batch is looked for. For those who want
 * to know what is in a file; who serves a log stops at the first damage (batch_scan.h).
 *
 * Owner:  whoever holds the struct. The file is only read.
 * Memory: a window of 64 KiB, and one batch while segment_walk_bytes was asked for it.
 * Bound:  looking for the next batch checks the CRC of what looks like one of this segment, of at most WALK_SEARCH_BYTES in all, so that bytes made to look like
 *         many overlapping batches cost no more. Behind that no batch is found any more.
 */
#ifndef SKEIN_STORAGE_SEGMENT_WALK_H
#define SKEIN_STORAGE_SEGMENT_WALK_H

#include "base/strbuf.h"
#include "storage/batch_scan.h"

#define WALK_SEARCH_BYTES (INT64_C(4) << 30)

enum walk_kind {
	WALK_BATCH,		/* a whole batch of format 2; its CRC may be wrong */
	WALK_OLD,		/* an entry of format 0 or 1, with the right CRC */
	WALK_DAMAGE,		/* no batch: up to the next one, or to the end of the file */
	WALK_END,
};

/* X(name, sentence) */
#define WALK_FAULT_TABLE(X) \
	X(WALK_SOUND,      "") \
	X(WALK_BAD_CRC,    "the CRC does not match") \
	X(WALK_BAD_LENGTH, "the length cannot be one") \
	X(WALK_BAD_MAGIC,  "the format cannot be one") \
	X(WALK_BAD_HEADER, "the offsets cannot be any") \
	X(WALK_TORN,       "the batch ends behind the end of the file") \
	X(WALK_SHORT,      "too few bytes for a batch") \
	X(WALK_ZEROS,      "zeros")

enum walk_fault {
#define X(name, text) name,
	WALK_FAULT_TABLE(X)
#undef X
};

const char *walk_fault_text(enum walk_fault fault);

struct walk_step {
	enum walk_kind  kind;
	enum walk_fault fault;		/* of BATCH: SOUND or BAD_CRC; of DAMAGE: what stands at file_pos */
	bool            is_tail;	/* of DAMAGE: no batch follows */
	int64_t         file_pos, size;	/* bytes */
	uint8_t         header[BATCH_HEADER_SIZE];	/* of BATCH; of OLD the first BATCH_PREFIX_SIZE of it */
	int64_t         claimed;	/* of DAMAGE that has a length: bytes that it says it has; -1 */
};

struct segment_walk {
	int64_t        base_offset;	/* of the segment: what cannot belong to it is not taken for a batch behind damage; -1: not known */
	struct batch_scan scan;
	os_fd          fd;
	uint8_t       *window;
	struct strbuf  bytes;		/* of segment_walk_bytes */
	int64_t        searched;
	int            growths;		/* how often the file had grown when its end seemed torn */
};

enum err segment_walk_open(struct segment_walk *w, struct os *os, const char *path, int64_t base_offset) MUST_CHECK;
void     segment_walk_close(struct segment_walk *w);
int64_t  segment_walk_size(const struct segment_walk *w);	/* of the file, as far as it is read */
/* A file that is being written to is read as far as it was at open, and on where a batch was half written then. Errors are the device's. After WALK_END
 * it is called no more. */
enum err segment_walk_next(struct segment_walk *w, struct walk_step *step) MUST_CHECK;
/* The bytes of the step, of whatever kind; valid until the next call. ERR_INCOMPLETE: the file has become shorter. */
enum err segment_walk_bytes(struct segment_walk *w, const struct walk_step *step, struct slice *bytes) MUST_CHECK;
/* Goes on at this place, where a batch begins. */
void     segment_walk_seek(struct segment_walk *w, int64_t file_pos);

#endif
