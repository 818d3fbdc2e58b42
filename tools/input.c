#include "input.h"

#include <errno.h>
#include <unistd.h>

#define READ_BYTES 65536

void input_init(struct input *in, int fd, size_t line_max)
{
	*in = (struct input){ .fd = fd, .line_max = line_max, .delimiter = SLICE_LIT("\n") };
}

void input_fini(struct input *in)
{
	strbuf_fini(&in->bytes);
}

static void drop_read_lines(struct input *in)
{
	if (in->at == 0)
		return;
	memmove(in->bytes.ptr, in->bytes.ptr + in->at, in->bytes.len - in->at);
	in->seen -= in->at;
	strbuf_truncate(&in->bytes, in->bytes.len - in->at);
	in->at = 0;
}

bool input_read(struct input *in)
{
	drop_read_lines(in);
	strbuf_reserve(&in->bytes, READ_BYTES);
	ssize_t n = read(in->fd, in->bytes.ptr + in->bytes.len, READ_BYTES);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (n == 0)
		in->is_over = true;
	in->bytes.len += (size_t)n;
	in->read_bytes += n;
	in->bytes.ptr[in->bytes.len] = '\0';
	return true;
}

enum err input_line(struct input *in, struct slice *line)
{
	const char *end = NULL;
	size_t skip = in->delimiter.len;

	if (in->seen < in->bytes.len)
		end = skip == 1 ? memchr(in->bytes.ptr + in->seen, in->delimiter.ptr[0], in->bytes.len - in->seen)
				: memmem(in->bytes.ptr + in->seen, in->bytes.len - in->seen, in->delimiter.ptr, skip);
	if (end == NULL) {
		in->seen = MAX(in->at, in->bytes.len - MIN(in->bytes.len, skip - 1));	/* the begin of one may be there */
		if (in->bytes.len - in->at > in->line_max)
			return ERR_TOO_LARGE;
		if (!in->is_over)
			return ERR_AGAIN;
		if (in->at == in->bytes.len)
			return ERR_CLOSED;
		end = in->bytes.ptr + in->bytes.len;
		skip = 0;
	}
	*line = slice_of(in->bytes.ptr + in->at, (size_t)(end - (in->bytes.ptr + in->at)));
	in->at = (size_t)(end - in->bytes.ptr) + skip;
	in->seen = in->at;
	in->line_number++;
	return OK;
}

bool input_has_part(const struct input *in)
{
	return in->at < in->bytes.len;
}
