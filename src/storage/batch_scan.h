/*
 * Walks the batches of a segment file by their headers, reading ahead in pieces.
 * Owner:  whoever holds the struct; a worker may, with a file reference of its own.
 * Memory: the caller's buffer, at least SCAN_BUFFER_MIN.
 */
#ifndef SKEIN_STORAGE_BATCH_SCAN_H
#define SKEIN_STORAGE_BATCH_SCAN_H

#include "os/os.h"
#include "record/batch.h"

#define SCAN_BUFFER_MIN  512
#define SCAN_BUFFER_BIG  65536

struct batch_scan {
	struct os *os;
	os_fd      fd;
	int64_t    pos, end;		/* of the next entry; of what may be read */
	uint8_t   *buf;
	uint32_t   room, len;		/* bytes; [buf_pos, buf_pos + len) of the file is in buf */
	int64_t    buf_pos;
};

void batch_scan_init(struct batch_scan *s, struct os *os, os_fd fd, int64_t pos, int64_t end,
	void *buf, uint32_t room);

/* The header (BATCH_HEADER_SIZE bytes, valid until the next call) of the whole batch at s->pos,
 * which moves on; the batch starts at *at.
 *   ERR_INCOMPLETE   no whole batch is left; s->pos == s->end at a clean end
 *   ERR_CORRUPT      impossible length or magic
 *   ERR_UNSUPPORTED  an entry of format 0 or 1
 * A device error otherwise. s->pos stays where it was unless OK. */
enum err batch_scan_next(struct batch_scan *s, const uint8_t **header, int64_t *at) MUST_CHECK;

/* Does the CRC of the batch at `at` hold? Its size and CRC are as its header said. */
enum err batch_scan_check_crc(struct batch_scan *s, int64_t at, uint32_t size, uint32_t crc,
	bool *is_right) MUST_CHECK;

/* After ERR_UNSUPPORTED: is this really an entry of an old format (its CRC holds), and not damage
 * that looks like one? */
bool     batch_scan_is_old_entry(struct batch_scan *s, int64_t at);

/* The first `len` bytes of the batch at `at`, len <= room; valid until the next call.
 * ERR_INCOMPLETE: the file ends before. */
enum err batch_scan_bytes(struct batch_scan *s, int64_t at, uint32_t len,
	const uint8_t **bytes) MUST_CHECK;

#endif
