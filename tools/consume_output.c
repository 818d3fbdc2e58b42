/*
 * What skein consume writes. Not through stdio, which does not tell how much of its buffer has gone when a write fails: here it is known to the byte,
 * so that the record at which a full disk cut us off can be named, and a group's offsets stand exactly behind the last whole one.
 */
#include "consume.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES 65536
#define MARKS_MAX    65536
#define WAIT_MS      250

static void mark(struct output *o, struct place *p, const struct consumer_event *e, bool is_record)
{
	if (!is_record && o->mark_count > 0) {		/* one mark for any number of those that are not printed */
		struct output_mark *m = &o->marks[o->mark_count - 1];
		if (m->place == p && m->end == o->bytes.len) {
			m->next = e->offset + 1;
			m->epoch = e->leader_epoch;
			return;
		}
	}
	if (o->mark_count == o->mark_capacity) {
		o->mark_capacity = MAX(256u, 2 * o->mark_capacity);
		o->marks = mem_realloc_array(o->marks, o->mark_capacity, sizeof(*o->marks));
	}
	o->marks[o->mark_count++] = (struct output_mark){ .end = o->bytes.len, .place = p, .next = e->offset + 1, .epoch = e->leader_epoch, .is_record = is_record };
}

bool consume_print(struct consume *x, struct place *p, const struct consumer_event *e)
{
	struct output *o = &x->output;

	record_print_add(&o->bytes, &x->print, e, x->count == 0);
	x->count++;
	mark(o, p, e, true);
	return (o->bytes.len < BUFFER_BYTES && o->mark_count < MARKS_MAX) || consume_flush(x);
}

void consume_skip(struct consume *x, struct place *p, const struct consumer_event *e)
{
	struct output *o = &x->output;

	mark(o, p, e, false);
	if (o->mark_count >= MARKS_MAX)
		consume_flush(x);	/* broken: the next record says so */
}

/*
 * Waits until a write of at most PIPE_BUF bytes does not. Meanwhile the client has its turns: a member of a group that says nothing for long is taken for
 * dead, its partitions are given away, and all that it could not commit is read again. False: a signal is waiting for us, and nobody reads.
 */
static bool wait_for_reader(struct client *c)
{
	struct pollfd fds[2] = { { .fd = 1, .events = POLLOUT }, { .fd = client_fd(c), .events = POLLIN } };

	while (poll(fds, 1, 0) <= 0) {
		if (tool_is_stopped())
			return false;
		poll(fds, 2, WAIT_MS);
		client_step(c, 0);
	}
	return true;
}

/*
 * As many of the bytes as the system takes; errno says what it has against the rest. A reader that does not read must not keep a signal from ending us,
 * and the signal may come just before a write: so no write waits for a reader.
 */
static size_t write_all(struct client *c, const char *bytes, size_t len)
{
	struct stat st;
	bool is_file = fstat(1, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
	size_t done = 0;

	while (done < len) {
		if (!is_file && !wait_for_reader(c)) {
			errno = EINTR;
			break;
		}
		ssize_t n = write(1, bytes + done, is_file ? len - done : MIN(len - done, (size_t)PIPE_BUF));
		if (n >= 0)
			done += (size_t)n;
		else if (errno != EAGAIN && errno != EINTR)
			break;
	}
	return done;
}

static void say_broken(struct consume *x, const struct output_mark *cut, size_t bytes)
{
	int why = errno;

	if (why == EPIPE || why == EINTR)	/* who closes the pipe has read enough; a signal is its sender's to know */
		return;
	tool_say("cannot write the output: %s", strerror(why));
	if (cut == NULL || cut->place == NULL)
		return;
	tool_say("%lld record%s written whole; the next, %s/%d offset %lld, %s", (long long)x->output.written,
		 x->output.written == 1 ? " is" : "s are", cut->place->topic, cut->place->partition, (long long)cut->next - 1,
		 bytes > 0 ? "is cut off" : "is not there");
}

bool consume_flush(struct consume *x)
{
	struct output *o = &x->output;
	size_t done, begin = 0, i;

	if (o->is_broken || (o->bytes.len == 0 && o->mark_count == 0))
		return !o->is_broken;
	done = write_all(x->client, o->bytes.ptr, o->bytes.len);
	for (i = 0; i < o->mark_count && o->marks[i].end <= done; i++) {
		struct output_mark *m = &o->marks[i];
		begin = m->end;
		o->written += m->is_record;
		if (m->place != NULL) {
			m->place->written = m->next;
			m->place->written_epoch = m->epoch;
		}
	}
	if (done < o->bytes.len) {
		o->is_broken = true;
		o->is_cut_off = errno == EINTR;
		say_broken(x, i < o->mark_count ? &o->marks[i] : NULL, done - begin);
	}
	o->mark_count = 0;
	strbuf_reset(&o->bytes);
	return !o->is_broken;
}

void consume_output_fini(struct output *o)
{
	strbuf_fini(&o->bytes);
	free(o->marks);
	*o = (struct output){ .marks = NULL };
}
