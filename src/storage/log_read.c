/*
 * Reading: which bytes of which file hold an offset, and where they end. No byte of a record is
 * copied here; the network sends them from the file.
 *
 * A reader at the end of the log, and there is nearly always one, is answered from the ring of
 * recent batches without any read. Others cost a search in the sparse index and a walk over at most
 * one index interval of headers.
 */
#include "storage/log_priv.h"

/* The first batch of segment `at` with last offset >= offset, as segment_find. */
static enum err find_in(struct log *log, int at, int64_t offset, struct batch_place *place,
	bool *is_found)
{
	if (at == log->segment_count - 1 && log->recent_count > 0) {
		uint32_t oldest = (log->recent_next +
			RECENT_BATCHES - log->recent_count) % RECENT_BATCHES;
		if (offset >= log->recent[oldest].base_offset && offset < log->end_offset) {
			for (uint32_t i = 0; i < log->recent_count; i++) {
				const struct batch_place *b =
					&log->recent[(oldest + i) % RECENT_BATCHES];
				if (b->last_offset < offset)
					continue;
				*place = *b;
				*is_found = true;
				return OK;
			}
		}
	}
	return segment_find(log->segments[at], offset, place, is_found);
}

/* Position behind the last batch of segment `at` that ends before `bound`. */
static enum err end_position(struct log *log, int at, int64_t bound, uint32_t *file_pos)
{
	struct batch_place place;
	bool is_found;
	int64_t segment_end = at + 1 < log->segment_count ? log->segments[at + 1]->base_offset
		: log->end_offset;
	enum err e;

	*file_pos = log->segments[at]->tail.size;
	if (bound >= segment_end)
		return OK;
	e = find_in(log, at, bound, &place, &is_found);
	if (e == OK && is_found)
		*file_pos = place.file_pos;
	return e;
}

static enum err aborted_hint(struct log *log, int at, uint32_t end_pos, int64_t *hint)
{
	struct segment *s = log->segments[at];
	struct offset_entry entry;
	struct log_file *f;
	bool is_found = false;
	enum err e;

	*hint = at + 1 < log->segment_count ? log->segments[at + 1]->base_offset : log->end_offset;
	if (!log->has_aborted || (e = segment_load(s)) != OK || s->offsets.count == 0 ||
		end_pos > s->tail.last_entry_pos)
		return OK;
	if ((e = segment_file(s, SEGMENT_OFFSETS, &f)) != OK ||
	    (e = offset_index_first_from(&s->offsets, log->os, f->fd, s->base_offset, end_pos,
	    	&entry, &is_found)) != OK)
		return e == ERR_CORRUPT ? OK : e;	/* too wide a hint only makes the list
							 * longer */
	if (is_found)
		*hint = entry.offset;
	return OK;
}

/* The segment and batch where reading from `offset` begins; *at == segment_count: nothing from
 * there on. */
static enum err find_start(struct log *log, int64_t offset, int *at, struct batch_place *place)
{
	bool is_found = false;
	enum err e = OK;

	for (*at = MAX(log_segment_at(log, offset), 0); *at < log->segment_count; (*at)++) {
		e = find_in(log, *at, MAX(offset, log->segments[*at]->base_offset), place,
			&is_found);
		if (e != OK || is_found)
			break;
	}
	return e;
}

/*
 * Where a reader of records begins who is to begin at *at and *place: behind batches of which compaction has left the header only, if anything else is behind
 * them. A cleaned log may have many in a row, each the whole of a segment. Bounded; who has not come to the end goes on with the next read.
 */
#define EMPTY_BATCHES_MAX 1000

static enum err skip_empty(struct log *log, int64_t bound, int *at, struct batch_place *place)
{
	for (int i = 0; i < EMPTY_BATCHES_MAX && place->size == BATCH_HEADER_SIZE; i++) {
		struct batch_place next;
		int next_at;
		enum err e = find_start(log, place->last_offset + 1, &next_at, &next);

		if (e != OK)
			return e;
		if (next_at == log->segment_count || next.last_offset >= bound)
			return OK;
		*at = next_at;
		*place = next;
	}
	return OK;
}

static enum err read_from(struct log *log, int64_t offset, int64_t bound_offset, uint32_t max_bytes,
	bool first_whole, bool skips_empty, struct log_range *out)
{
	struct batch_place place;
	struct log_file *f;
	uint32_t end_pos;
	int at;
	enum err e;

	*out = (struct log_range){ .first_batch_offset = -1, .end_offset_hint = bound_offset };
	if (offset < log->start_offset || offset > log->end_offset)
		return ERR_OUT_OF_RANGE;
	if (offset >= MIN(bound_offset, log->end_offset))
		return OK;
	if ((e = find_start(log, offset, &at, &place)) != OK || at == log->segment_count ||
		place.last_offset >= bound_offset)
		return e;
	if (skips_empty && (e = skip_empty(log, bound_offset, &at, &place)) != OK)
		return e;
	out->has_next_segment = at + 1 < log->segment_count;
	out->first_batch_bytes = place.size;
	out->first_batch_offset = place.base_offset;
	if (!first_whole && max_bytes < place.size)
		return OK;
	if ((e = end_position(log, at, bound_offset, &end_pos)) != OK)
		return e;
	out->file_pos = place.file_pos;
	out->len = MIN(MAX(max_bytes, place.size), end_pos - place.file_pos);
	if ((e = aborted_hint(log, at, place.file_pos + out->len, &out->end_offset_hint)) != OK ||
	    (e = segment_file(log->segments[at], SEGMENT_LOG, &f)) != OK) {
		out->len = 0;
		return e;
	}
	out->file = log_file_ref(f);
	out->generation = log_file_generation(f);
	return OK;
}

enum err log_read(struct log *log, int64_t offset, int64_t bound_offset, uint32_t max_bytes,
	bool first_whole, struct log_range *out)
{
	return read_from(log, offset, bound_offset, max_bytes, first_whole, false, out);
}

enum err log_read_records(struct log *log, int64_t offset, int64_t bound_offset, uint32_t max_bytes,
	bool first_whole, struct log_range *out)
{
	return read_from(log, offset, bound_offset, max_bytes, first_whole, true, out);
}

int64_t log_next_segment_base(const struct log *log, int64_t offset)
{
	int at = log_segment_at(log, offset) + 1;

	return at < log->segment_count ? log->segments[at]->base_offset : log->end_offset;
}

uint64_t log_bytes_between(struct log *log, int64_t offset, int64_t bound_offset, uint64_t cap)
{
	struct batch_place place;
	uint32_t end_pos;
	uint64_t bytes = 0;
	int at;

	bound_offset = MIN(bound_offset, log->end_offset);
	offset = MAX(offset, log->start_offset);
	if (offset >= bound_offset || find_start(log, offset, &at, &place) != OK)
		return 0;
	for (uint32_t from = place.file_pos; at < log->segment_count && bytes < cap;
		at++, from = 0) {
		if (log->segments[at]->base_offset >= bound_offset ||
			end_position(log, at, bound_offset, &end_pos) != OK)
			break;
		bytes += end_pos > from ? end_pos - from : 0;
	}
	return MIN(bytes, cap);
}

struct aborted_list {
	struct log_aborted *out;
	int max, count;
};

static void add_aborted(void *arg, const struct aborted_txn *a)
{
	struct aborted_list *list = arg;

	if (list->count < list->max)
		list->out[list->count] = (struct log_aborted){ a->producer_id, a->first_offset };
	list->count++;
}

int log_aborted_transactions(struct log *log, int64_t from, int64_t to, struct log_aborted *out,
	int max)
{
	struct aborted_list list = { out, max, 0 };
	bool is_complete = !log->has_aborted;

	for (int at = MAX(log_segment_at(log, from), 0); !is_complete && at < log->segment_count;
		at++) {
		const struct txn_index *x = &log->segments[at]->txns;
		if (x->count > 0 && txn_index_query(x, log->os, log->store.dir, from, to,
			add_aborted, &list, &is_complete) != OK)
			break;		/* the device fails: the fetch itself will say so */
	}
	return list.count;
}
