/*
 * Lines, or what else stands between delimiters, from a descriptor, read only when there is something, so that the client's turn goes on while a person thinks.
 * Owner: the tool's thread. Memory: a line is held whole, up to the limit given.
 */
#ifndef SKEIN_TOOL_INPUT_H
#define SKEIN_TOOL_INPUT_H

#include "base/err.h"
#include "base/strbuf.h"

struct input {
	int           fd;
	size_t        line_max;
	struct slice  delimiter;	/* borrowed; a newline, until it is set */
	struct strbuf bytes;
	size_t        at;		/* begin of the next line in bytes */
	size_t        seen;		/* no delimiter begins before this */
	bool          is_over;
	int64_t       read_bytes;	/* in all */
	int64_t       line_number;	/* of the last line handed out, from 1 */
};

void input_init(struct input *in, int fd, size_t line_max);
void input_fini(struct input *in);

/* One read. False: errno says why. At the end is_over is set. */
bool input_read(struct input *in) MUST_CHECK;

/*
 * The next line without its delimiter, valid until the next call of anything here. The last one needs none.
 *   ERR_AGAIN: input_read first     ERR_TOO_LARGE: longer than line_max     ERR_CLOSED: there are no more
 */
enum err input_line(struct input *in, struct slice *line) MUST_CHECK;
bool     input_has_part(const struct input *in);	/* after ERR_AGAIN: the begin of a line has been read */

#endif
