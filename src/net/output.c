/*
 * Writing: answers leave in request order, as much at a time as the socket takes. An answer is
 * memory with gaps that are filled from segment files: several answers, and pieces of one, leave
 * with one sendv; each gap with sendfile, but a small one that is in memory is read into the chunk
 * and leaves with the rest: a lone record's answer is one packet, and wakes its reader once.
 *
 * Before every sendfile the file's generation is compared with the one of the read: a truncation
 * replaces bytes that were read as committed, and a frame that has begun cannot be taken back, so a
 * change or a short file closes the connection. What remains is a truncation between the look and
 * the copy in the kernel; storage bumps the generation before it cuts, and only bytes above the
 * high watermark are ever cut, which consumers are not given.
 *
 * A page fault on a slow device inside sendfile would stop every connection of this actor. So a
 * range that is not in memory is first read by a worker, piece by piece, while the others go on.
 */
#include "net/net_priv.h"

#include <stdlib.h>

#define OUT_IOV    64
#define OUT_SMALL_GAP (8u << 10)	/* to copy so much costs less than a system call more */
#define OUT_TURN   (1u << 20)	/* bytes of one connection before others have their turn */
#define LOAD_PIECE (1u << 20)	/* bytes that are brought into memory ahead */
#define LOAD_READ  (64u << 10)

struct net_load {
	struct job         job;
	struct os         *os;
	struct connection *connection;	/* NULL once it is gone */
	struct log_file   *file;	/* a reference */
	int64_t            pos;
	uint32_t           len;
};

/* --- what comes next ------------------------------------------------------------------------- */

static struct net_call *first_answered(struct connection *c)
{
	struct net_call *nc;

	if (list_empty(&c->calls))
		return NULL;
	nc = LIST_ENTRY(c->calls.next, struct net_call, in_connection);
	return nc->phase == CALL_ANSWERED ? nc : NULL;
}

/* Up to where the buffer can be sent before gap number `gap` is due. */
static size_t memory_end(const struct net_call *nc, size_t gap)
{
	return gap < nc->out.gaps_count ? nc->out.gaps[gap].pos : nc->out.len;
}

/* The bytes of a small gap, if they are in memory, behind what `room` holds already. Looked at after the read: storage bumps the generation before it cuts. */
static bool read_small_gap(struct network *n, const struct wire_gap *gap, size_t used, struct iovec *iov)
{
	const struct log_range *range = gap->file;
	size_t got = 0;

	if (gap->len > OUT_SMALL_GAP || gap->len > NET_CHUNK - used)
		return false;
	*iov = (struct iovec){ n->chunk + used, gap->len };
	return os_pread_cached(n->os, log_file_fd(range->file), iov->iov_base, gap->len, gap->file_pos, &got) == OK && got == gap->len
	    && log_file_generation(range->file) == range->generation;
}

/* The chunk is free here: what was received is cut into frames before anything is sent. */
static int gather(struct connection *c, struct iovec *iov, size_t *total)
{
	size_t pos = c->out_pos, gap = c->out_gap, used = 0;
	int count = 0;

	*total = 0;
	LIST_FOREACH(e, &c->calls) {
		struct net_call *nc = LIST_ENTRY(e, struct net_call, in_connection);

		if (nc->phase != CALL_ANSWERED || nc->call.wants_close)
			break;
		for (;; gap++) {
			size_t len = memory_end(nc, gap) - pos;

			if (count > OUT_IOV - 2)
				return count;
			iov[count++] = (struct iovec){ nc->out.buf + pos, len };
			*total += len;
			pos += len;
			if (gap == nc->out.gaps_count)
				break;
			if (!read_small_gap(c->network, &nc->out.gaps[gap], used, &iov[count]))
				return count;
			used += iov[count].iov_len;
			*total += iov[count++].iov_len;
		}
		pos = gap = 0;
	}
	return count;
}

static bool is_at_gap(const struct connection *c, const struct net_call *nc)
{
	return c->out_gap < nc->out.gaps_count && c->out_pos == nc->out.gaps[c->out_gap].pos;
}

/* --- what has gone --------------------------------------------------------------------------- */

static void finish_if_sent(struct connection *c, struct net_call *nc)
{
	if (c->out_gap < nc->out.gaps_count || c->out_pos < nc->out.len)
		return;
	nc->call.stage[STAGE_SENT] = c->network->now_ns;
	network_request_sent(&nc->call);
	c->out_pos = c->out_gap = 0;
	call_free(nc);
}

static void gap_sent(struct connection *c, struct net_call *nc, size_t sent)
{
	c->out_gap_sent += (uint32_t)sent;
	if (c->out_gap_sent < nc->out.gaps[c->out_gap].len)
		return;
	c->out_gap++;
	c->out_gap_sent = c->out_gap_ready = 0;
	finish_if_sent(c, nc);
}

/* Memory, and gaps that were read into memory. */
static void memory_sent(struct connection *c, size_t sent)
{
	struct net_call *nc;

	while (sent > 0 && (nc = first_answered(c)) != NULL) {
		size_t part;

		if (is_at_gap(c, nc)) {
			part = MIN(sent, nc->out.gaps[c->out_gap].len - c->out_gap_sent);
			c->out_gap_ready = c->out_gap_sent + (uint32_t)part;
			gap_sent(c, nc, part);
		} else {
			part = MIN(sent, memory_end(nc, c->out_gap) - c->out_pos);
			c->unsent -= part;
			c->out_pos += part;
			finish_if_sent(c, nc);
		}
		sent -= part;
	}
	ASSERT(sent == 0);
}

/* --- cold ranges ----------------------------------------------------------------------------- */

static void load_run(struct job *job)
{
	struct net_load *l = CONTAINER_OF(job, struct net_load, job);
	uint8_t *buf = mem_alloc(LOAD_READ);

	/* An error shows again in sendfile, where it is decided what to do about it. */
	for (uint32_t done = 0; done < l->len; done += LOAD_READ) {
		size_t len = MIN(LOAD_READ, l->len - done), got;
		if (os_pread(l->os, log_file_fd(l->file), buf, len, l->pos + done, &got) != OK
		    || got == 0)
			break;
	}
	free(buf);
}

static void load(struct connection *c, struct log_file *file, int64_t pos, uint32_t len)
{
	struct net_load *l = mem_calloc(1, sizeof(*l));

	msg_init(&l->job.msg, NET_LOAD, &c->network->actor);
	l->job.run = load_run;
	l->os = c->network->os;
	l->connection = c;
	l->file = log_file_ref(file);
	l->pos = pos;
	l->len = len;
	c->load = l;
	workers_submit(c->network->net->spec->workers, &c->network->actor, &l->job);
}

void output_loaded(struct msg *m)
{
	struct net_load *l = CONTAINER_OF(m, struct net_load, job.msg);

	if (l->connection != NULL) {
		l->connection->load = NULL;
		network_add_work(l->connection);
	}
	log_file_unref(&l->file);
	free(l);
}

void output_forget(struct connection *c)
{
	if (c->load != NULL)
		c->load->connection = NULL;
	c->load = NULL;
}

/* --- sending --------------------------------------------------------------------------------- */

/* The three sends answer how many bytes went; ERR_AGAIN when the connection has to wait, for the
 * socket or for a job. */
static enum err send_memory(struct connection *c, size_t *sent)
{
	struct iovec iov[OUT_IOV];
	size_t total;
	int count = gather(c, iov, &total);
	enum err err = total > 0 ? os_sendv(c->network->os, c->fd, iov, count, sent) : OK;

	c->is_blocked = err == ERR_AGAIN || (err == OK && *sent < total);
	if (err == OK)
		memory_sent(c, *sent);
	return err;
}

static enum err send_piece(struct connection *c, struct net_call *nc, const struct log_range *range,
                           int64_t pos, uint32_t len, size_t *sent)
{
	struct network *n = c->network;
	enum err err;

	if (log_file_generation(range->file) != range->generation)
		return ERR_CORRUPT;
	err = os_sendfile(n->os, c->fd, log_file_fd(range->file), pos, len, sent);
	c->is_blocked = err == ERR_AGAIN || (err == OK && *sent < len);
	if (err == OK && *sent == 0)
		return ERR_INCOMPLETE;
	if (err == OK)
		gap_sent(c, nc, *sent);
	return err;
}

static enum err send_gap(struct connection *c, struct net_call *nc, size_t *sent)
{
	const struct wire_gap *gap = &nc->out.gaps[c->out_gap];
	const struct log_range *range = gap->file;
	int64_t pos = gap->file_pos + c->out_gap_sent;

	if (c->out_gap_sent == c->out_gap_ready) {
		uint32_t piece = MIN(gap->len - c->out_gap_sent, LOAD_PIECE);
		c->out_gap_ready += piece;
		if (!os_is_cached(c->network->os, log_file_fd(range->file), pos, piece)) {
			load(c, range->file, pos, piece);
			return ERR_AGAIN;
		}
	}
	return send_piece(c, nc, range, pos, c->out_gap_ready - c->out_gap_sent, sent);
}

static void fail(struct connection *c, enum err err)
{
	if (err == ERR_CORRUPT || err == ERR_INCOMPLETE)
		LOG_WARN(&c->network->actor.log, net_answer_cut, KV_ERR(err));
	connection_close(c);
}

void output_flush(struct connection *c)
{
	size_t turn = 0;
	struct net_call *nc;

	while (!c->is_blocked && c->load == NULL && (nc = first_answered(c)) != NULL) {
		size_t sent = 0;
		enum err err;

		if (nc->call.wants_close) {
			connection_close(c);
			return;
		}
		if (turn >= OUT_TURN) {
			network_add_work(c);
			return;
		}
		err = is_at_gap(c, nc) ? send_gap(c, nc, &sent) : send_memory(c, &sent);
		if (err == ERR_AGAIN)
			return;
		if (err != OK) {
			fail(c, err);
			return;
		}
		connection_touch(c);
		COUNT(c->network, bytes_out, sent);
		turn += sent;
	}
}
