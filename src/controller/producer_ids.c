/*
 * Blocks of producer ids, from /latest_producer_id_block. A block is written before it is given out, so none is given twice; one whose write was not answered is skipped.
 */
#include "controller/controller_priv.h"
#include "wire/gen/allocate_producer_ids.h"

#define PRODUCER_BLOCK 1000

enum block_stage { BLOCK_READ, BLOCK_WRITE, BLOCK_WRITTEN };

struct block_task {
	struct task                task;
	struct controller_request *ask;
	struct own_request        *own;
	int64_t                    first;
	bool                       is_done;
};

static struct allocate_producer_ids_response *response(const struct block_task *b)
{
	return b->ask->response;
}

static enum task_result block_write(struct controller *c, struct block_task *b)
{
	const struct allocate_producer_ids_request *q = b->ask->request;
	struct coord_op *op = store_call_op(b->task.last);
	int64_t last = -1;

	if (b->task.last->call.result != OK || (!slice_is_null(op->out) && op->out.len > 0 && !znode_producer_block_decode(op->out, &last))) {
		response(b)->error_code = UNKNOWN_SERVER_ERROR;
		b->is_done = true;
		return TASK_DONE;
	}
	int32_t version = op->stat.version;
	b->first = last + 1;
	task_drop_calls(&b->task);
	strbuf_reset(&c->text);
	znode_producer_block_encode(q->broker_id, b->first, b->first + PRODUCER_BLOCK - 1, &c->text);
	task_set_node(c, &b->task, false, version, "/latest_producer_id_block");
	b->task.stage = BLOCK_WRITTEN;
	return task_submit(c, &b->task);
}

static enum task_result block_run(struct controller *c, struct task *t)
{
	struct block_task *b = (struct block_task *)t;
	enum err r;

	switch ((enum block_stage)t->stage) {
	case BLOCK_READ:
		task_get(c, t, false, "/latest_producer_id_block");
		t->stage = BLOCK_WRITE;
		return task_submit(c, t);
	case BLOCK_WRITE:
		return block_write(c, b);
	case BLOCK_WRITTEN:
		r = t->last->call.result;
		task_drop_calls(t);
		if (r == ERR_BAD_VERSION) {	/* somebody else's block, or ours whose answer was lost: a block is skipped, none is given twice */
			t->stage = BLOCK_READ;
			return TASK_AGAIN;
		}
		response(b)->error_code = r == OK ? NONE : COORDINATOR_NOT_AVAILABLE;
		response(b)->producer_id_start = b->first;
		response(b)->producer_id_len = PRODUCER_BLOCK;
		b->is_done = true;
		break;
	}
	return TASK_DONE;
}

static void block_fini(struct controller *c, struct task *t)
{
	struct block_task *b = (struct block_task *)t;

	if (!b->is_done)
		response(b)->error_code = COORDINATOR_NOT_AVAILABLE;
	if (b->own != NULL)
		b->own->done(c, b->own);
}

static const struct task_kind block_kind = { .name = "producer ids", .run = block_run, .fini = block_fini };

void producer_ids_enqueue(struct controller *c, struct task_queue *q, struct controller_request *m, struct own_request *own)
{
	struct block_task *t = (struct block_task *)task_create(q, &block_kind, sizeof(*t), own == NULL ? &m->msg : NULL);

	(void)c;
	t->ask = m;
	t->own = own;
	task_enqueue(&t->task);
}
