#include "storage/batch_scan.h"

#include <zlib.h>

#include "base/crc32c.h"

void batch_scan_init(struct batch_scan *s, struct os *os, os_fd fd, int64_t pos, int64_t end,
	void *buf, uint32_t room)
{
	ASSERT(room >= SCAN_BUFFER_MIN);
	*s = (struct batch_scan){ .os = os, .fd = fd, .pos = pos, .end = end, .buf = buf,
		.room = room };
}

enum err batch_scan_bytes(struct batch_scan *s, int64_t at, uint32_t len, const uint8_t **bytes)
{
	size_t got;
	enum err e;

	ASSERT(len <= s->room);
	if (at < s->buf_pos || at + len > s->buf_pos + s->len) {
		size_t want = (size_t)MIN((int64_t)s->room, s->end - at);
		s->len = 0;
		if ((e = os_pread(s->os, s->fd, s->buf, want, at, &got)) != OK)
			return e;
		s->buf_pos = at;
		s->len = (uint32_t)got;
		if (got < len)
			return ERR_INCOMPLETE;
	}
	*bytes = s->buf + (at - s->buf_pos);
	return OK;
}

enum err batch_scan_next(struct batch_scan *s, const uint8_t **header, int64_t *at)
{
	const uint8_t *h;
	int64_t left = s->end - s->pos, size;
	enum err e;

	if (left < BATCH_PREFIX_SIZE)
		return ERR_INCOMPLETE;
	if ((e = batch_scan_bytes(s, s->pos, (uint32_t)MIN(left, BATCH_HEADER_SIZE), &h)) != OK)
		return e;
	size = (int64_t)batch_length(h) + BATCH_LOG_OVERHEAD;
	if (batch_length(h) < BATCH_LENGTH_MIN || batch_magic(h) < 0 ||
		batch_magic(h) > BATCH_MAGIC)
		return ERR_CORRUPT;
	if (size > left)
		return ERR_INCOMPLETE;
	if (batch_magic(h) != BATCH_MAGIC)
		return ERR_UNSUPPORTED;
	if (size < BATCH_HEADER_SIZE || batch_last_offset_delta(h) < 0 ||
		batch_base_offset(h) < 0 ||
		batch_base_offset(h) >= INT64_MAX - batch_last_offset_delta(h))
		return ERR_CORRUPT;
	*header = h;
	*at = s->pos;
	s->pos += size;
	return OK;
}

enum err batch_scan_check_crc(struct batch_scan *s, int64_t at, uint32_t size, uint32_t crc,
	bool *is_right)
{
	int64_t pos = at + BATCH_ATTRIBUTES_POS, end = at + size;
	uint32_t sum = 0;
	const uint8_t *bytes;
	enum err e;

	while (pos < end) {
		int64_t buffered = s->buf_pos + s->len - pos;
		bool is_here = pos >= s->buf_pos && buffered > 0;
		uint32_t n = (uint32_t)MIN(end - pos, is_here ? buffered : s->room);
		if ((e = batch_scan_bytes(s, pos, n, &bytes)) != OK)
			return e;
		sum = crc32c(sum, bytes, n);
		pos += n;
	}
	*is_right = sum == crc;
	return OK;
}

bool batch_scan_is_old_entry(struct batch_scan *s, int64_t at)
{
	const uint8_t *p;
	uLong sum = crc32(0, NULL, 0);

	if (batch_scan_bytes(s, at, 16, &p) != OK)
		return false;
	int64_t pos = at + 16, end = at + BATCH_LOG_OVERHEAD + (int32_t)load_be32(p + 8);
	uint32_t want = load_be32(p + 12);
	while (pos < end) {
		uint32_t n = (uint32_t)MIN(end - pos, s->room);
		if (batch_scan_bytes(s, pos, n, &p) != OK)
			return false;
		sum = crc32(sum, p, n);
		pos += n;
	}
	return (uint32_t)sum == want;
}
