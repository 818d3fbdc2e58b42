/*
 * One walk over the batches, in which the three indexes go along: their entries ascend as the batches do, so each is compared with the batch that it
 * speaks of when that passes.
 */
#include "storage/inspect_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "record/build.h"
#include "record/record.h"
#include "storage/offset_index.h"
#include "storage/time_index.h"
#include "storage/txn_index.h"

#define TOLD_MAX 3		/* findings of one index; the others are counted */

struct cursor {			/* over an index, its entries still to come */
	char        name[SEGMENT_NAME_MAX];
	uint8_t    *bytes;
	size_t      used, at;		/* bytes of entries */
	int64_t     last_key;		/* of the entry before */
	int64_t     last_second;	/* ... and its other number */
	int         told, untold;
};

struct check {
	struct inspection *x;
	const struct inspected_segment *s;
	char               name[SEGMENT_NAME_MAX];	/* of the .log */
	struct batch_order order;
	struct cursor      offsets, times, txns;
	int64_t            size;		/* of the .log before the indexes were read: they may know nothing of what came later */
	time_ms            largest;		/* timestamp, of the batches before */
	int64_t            torn_pos;		/* since here no batch was sound; -1 */
	int                unsure;		/* damage since then: inside once a sound batch follows */
};

/* ---- indexes ---- */

static void tell(struct check *c, struct cursor *i, const char *what)
{
	if (i->told == TOLD_MAX) {
		i->untold++;
		return;
	}
	i->told++;
	SAY(c->x, .weight = INSPECT_DAMAGE, .remedy = INSPECT_RECOVER, .file = i->name, AT((int64_t)i->at), .what = what,
	    .then = "records may not be found");
}

static void open_index(struct check *c, struct cursor *i, const char *suffix, size_t entry, bool has_room)
{
	char path[LOG_PATH_MAX + SEGMENT_NAME_MAX], *bytes;
	size_t len;
	int64_t size;

	*i = (struct cursor){ .last_key = -1, .last_second = -1 };
	snprintf(i->name, sizeof(i->name), "%020lld%s", (long long)c->s->base_offset, suffix);
	snprintf(path, sizeof(path), "%s/%s", c->x->spec->dir, i->name);
	enum err e = index_file_read_used(c->x->spec->os, path, entry, INSPECT_BYTES_MAX, &bytes, &len, &size);
	if (e != OK) {
		inspect_unreadable(c->x, i->name, e);
		return;
	}
	i->bytes = (uint8_t *)bytes;
	i->used = len / entry * entry;
	while (has_room && i->used > 0 && memcmp(bytes + i->used - entry, "\0\0\0\0\0\0\0\0\0\0\0", entry) == 0)
		i->used -= entry;
	int64_t whole = size / (int64_t)entry * (int64_t)entry;
	if ((int64_t)i->used < whole && has_room && (!c->s->may_grow || c->x->spec->was_clean))
		SAY(c->x, .weight = INSPECT_DAMAGE, .remedy = INSPECT_RECOVER, .file = i->name, AT((int64_t)i->used), .size = size - (int64_t)i->used,
		    .what = "zeros behind the last entry of a segment that was closed", .then = "a Java broker takes them for entries");
	if (size != whole)
		SAY(c->x, .weight = INSPECT_DAMAGE, .remedy = INSPECT_RECOVER, .file = i->name, AT(whole),
		    .what = "the size is not that of whole entries", .then = "it counts as empty");
}

static void close_index(struct check *c, struct cursor *i)
{
	if (i->untold > 0) {
		char what[64];

		snprintf(what, sizeof(what), "%d more entries are wrong", i->untold);
		SAY(c->x, .weight = INSPECT_DAMAGE, .remedy = INSPECT_RECOVER, .file = i->name, .what = what);
	}
	free(i->bytes);
}

/* Entries up to this batch. A batch that is not sound only takes its entries away. */
static void pass_offsets(struct check *c, int64_t file_pos, const uint8_t *header)
{
	struct cursor *i = &c->offsets;

	for (; i->at < i->used; i->at += OFFSET_ENTRY_BYTES) {
		struct offset_entry e = offset_entry_decode(i->bytes + i->at, c->s->base_offset);

		if ((int64_t)e.file_pos > file_pos)
			return;
		if (i->at > 0 && (e.offset <= i->last_key || (int64_t)e.file_pos <= i->last_second))
			tell(c, i, "the entry does not lie above the one before");
		else if (e.file_pos < file_pos)
			tell(c, i, "no batch begins where the entry says");
		else if (header != NULL && e.offset < batch_base_offset(header))
			tell(c, i, "the entry's offset lies before the batch that it names");
		i->last_key = e.offset;
		i->last_second = e.file_pos;
	}
}

static void pass_times(struct check *c, int64_t base, int64_t last, const uint8_t *header)
{
	struct cursor *i = &c->times;

	for (; i->at < i->used; i->at += TIME_ENTRY_BYTES) {
		struct time_entry e = time_entry_decode(i->bytes + i->at, c->s->base_offset);

		if (e.offset > last)
			return;
		if (i->at > 0 && (e.timestamp <= i->last_key || e.offset < i->last_second))
			tell(c, i, "the entry does not lie above the one before");
		else if (header != NULL && e.offset < base)
			tell(c, i, "no batch has the entry's offset");
		else if (header != NULL && e.timestamp != batch_max_timestamp(header))
			tell(c, i, "the entry's time is not that of the batch that it names");
		else if (header != NULL && e.timestamp < c->largest)
			tell(c, i, "a batch before the one that the entry names has a later time");
		i->last_key = e.timestamp;
		i->last_second = e.offset;
	}
}

/* True: there is an entry for the abort marker of this producer at this offset; aborted -1: there is no such marker. */
static bool pass_txns(struct check *c, int64_t last, int64_t aborted)
{
	struct cursor *i = &c->txns;
	struct aborted_txn a;
	bool is_there = false;

	for (; i->at < i->used; i->at += TXN_INDEX_ENTRY_SIZE) {
		bool is_known = txn_index_decode(i->bytes + i->at, &a);

		if (is_known && a.last_offset > last)
			break;
		if (!is_known)
			tell(c, i, "the entry is not of version 0");
		else if (a.last_offset <= i->last_key || a.first_offset < 0 || a.first_offset > a.last_offset)
			tell(c, i, "the entry does not lie above the one before");
		else if (a.last_offset != last || a.producer_id != aborted)
			tell(c, i, "no abort marker is where the entry says");
		else
			is_there = true;
		if (is_known)
			i->last_key = a.last_offset;
	}
	return is_there;
}

static void end_of_entries(struct check *c)
{
	struct cursor *all[] = { &c->offsets, &c->times, &c->txns };
	static const size_t entry[] = { OFFSET_ENTRY_BYTES, TIME_ENTRY_BYTES, TXN_INDEX_ENTRY_SIZE };

	for (size_t k = 0; k < ARRAY_LEN(all); k++) {
		if (all[k]->at < all[k]->used) {
			size_t left = (all[k]->used - all[k]->at) / entry[k];

			tell(c, all[k], "the entry speaks of what lies behind the last batch");
			all[k]->untold += (int)(left - 1);
		}
		close_index(c, all[k]);
	}
}

/* ---- batches ---- */

/* NULL: they are what the header says. *is_odd: an offset is not, as clients may send it and Kafka takes it. */
static const char *records_fault(struct check *c, struct slice batch, bool *is_odd)
{
	struct record_iter it;
	struct record r;
	int64_t before = batch_base_offset(batch.ptr) - 1;
	const char *fault = NULL;

	record_iter_init(&it, batch, c->x->spec->stream, INSPECT_RECORDS_MAX);
	while (record_iter_next(&it, &r)) {
		*is_odd |= r.offset <= before || r.offset > batch_last_offset(batch.ptr);
		before = r.offset;
		c->x->result->records++;
	}
	if (it.err != OK)
		fault = it.err == ERR_UNSUPPORTED ? "the codec is not known" : it.err == ERR_TOO_LARGE ? "the records are larger than 2 GiB" :
			"the CRC holds, but the records do not fit the batch";
	record_iter_fini(&it);
	return fault;
}

static void fault_at(struct check *c, const struct walk_step *s, const char *what, const char *then)
{
	SAY(c->x, .weight = INSPECT_DAMAGE, .file = c->name, AT(s->file_pos), .size = s->size, .has_offset = s->kind == WALK_BATCH,
	    .offset = batch_base_offset(s->header), .what = what, .then = then);
}

static void check_epoch(struct check *c, const struct walk_step *s)
{
	const struct leader_epochs *e = &c->x->epochs;
	int64_t base = batch_base_offset(s->header);
	int32_t epoch = batch_leader_epoch(s->header), said = leader_epochs_at(e, base);
	char what[96];

	if (c->x->has_told_epoch || epoch < 0 || e->count == 0 || base < e->entries[0].start_offset || said == epoch)
		return;
	c->x->has_told_epoch = true;	/* the same would be said of all that follow */
	snprintf(what, sizeof(what), "the batch is of leader epoch %d, leader-epoch-checkpoint says %d", epoch, said);
	SAY(c->x, .weight = INSPECT_DAMAGE, .remedy = INSPECT_RECOVER, .file = c->name, AT(s->file_pos), .size = s->size, OF(base), .what = what,
	    .then = "followers may cut in the wrong place");
}

/* ---- transactions ---- */

static struct slice key_of(const int64_t *producer_id)
{
	return slice_of(producer_id, sizeof(*producer_id));
}

/* Whether the producer had a transaction with records, which the marker ends. */
static bool end_txn(struct inspection *x, int64_t producer_id)
{
	struct inspected_txn *t = map_remove(&x->open, key_of(&producer_id));

	free(t);
	return t != NULL;
}

static void begin_txn(struct inspection *x, int64_t producer_id)
{
	struct inspected_txn *t;

	if (map_get(&x->open, key_of(&producer_id)) != NULL)
		return;
	t = mem_alloc(sizeof(*t));
	t->producer_id = producer_id;
	map_put(&x->open, key_of(&t->producer_id), t);
}

void inspect_forget_txns(struct inspection *x)
{
	MAP_FOREACH(e, &x->open)
		free(e->value);
	map_fini(&x->open);
}

static enum err marker_of(struct segment_walk *w, const struct walk_step *s, struct marker *m)
{
	struct slice batch;
	enum err e = segment_walk_bytes(w, s, &batch);

	return e == OK ? marker_read(batch, m) : e;
}

/* An aborted transaction that is in no index is read as if it had been committed. */
static void pass_transaction(struct check *c, struct segment_walk *w, const struct walk_step *s)
{
	int64_t last = batch_last_offset(s->header), aborted = -1;
	bool had_records = false;
	struct marker m;

	if (batch_is_control(s->header)) {
		enum err e = marker_of(w, s, &m);

		if (e != OK && e != ERR_NOT_FOUND)
			fault_at(c, s, "a control batch without a marker", "the transaction may not end");
		if (e == OK)
			had_records = end_txn(c->x, m.producer_id);
		if (e == OK && m.type == MARKER_ABORT)
			aborted = m.producer_id;
	} else if (batch_is_transactional(s->header) && batch_record_count(s->header) > 0) {
		begin_txn(c->x, batch_producer_id(s->header));
	}
	if (!pass_txns(c, last, aborted) && aborted >= 0 && had_records && s->file_pos < c->size)
		SAY(c->x, .weight = INSPECT_DAMAGE, .remedy = INSPECT_RECOVER, .file = c->txns.name, OF(last),
		    .what = "the transaction that ends there was aborted, and is not in it", .then = "who reads only what is committed gets its records");
}

/* ---- a step ---- */

/* Where it stands among the others, and in the indexes, when its CRC holds. */
static void take_sound(struct check *c, struct segment_walk *w, const struct walk_step *s)
{
	bool blames_before;
	const char *fault = batch_order_take(&c->order, s->header, &blames_before);
	struct slice batch;
	enum err e;

	if (fault != NULL) {
		c->x->result->inside++;
		fault_at(c, s, fault, blames_before ? "the batch before seems to be the one with a wrong number" : "recovery would cut the log here");
	} else {
		check_epoch(c, s);
	}
	if (c->x->spec->stream != NULL && (e = segment_walk_bytes(w, s, &batch)) == OK) {
		bool is_odd = false;
		const char *wrong = records_fault(c, batch, &is_odd);
		if (is_odd)
			SAY(c->x, .weight = INSPECT_NOTE, .file = c->name, AT(s->file_pos), .size = s->size, OF(batch_base_offset(s->header)),
			    .what = "offsets of records that do not ascend within the batch", .then = "a client sent them so; consumers hand them out as they are");
		if (wrong != NULL) {
			c->x->result->inside++;
			fault_at(c, s, wrong, "consumers stop here");
		}
	}
	pass_offsets(c, s->file_pos, s->header);
	pass_times(c, batch_base_offset(s->header), batch_last_offset(s->header), s->header);
	pass_transaction(c, w, s);
	if (batch_max_timestamp(s->header) > c->largest)
		c->largest = batch_max_timestamp(s->header);
	c->x->result->inside += c->unsure;
	c->unsure = 0;
	c->torn_pos = -1;
	c->x->result->batches++;
}

static void take_step(struct check *c, struct segment_walk *w, const struct walk_step *s)
{
	char what[128], then[128];

	if (s->kind == WALK_OLD) {
		if (c->x->result->old_format < 0)
			SAY(c->x, .weight = INSPECT_NOTE, .file = c->name, AT(s->file_pos), .what = "a batch of an old format (0 or 1)",
			    .then = "skein does not serve the partition; indexes are not compared");
		c->x->result->old_format = batch_magic(s->header);
		c->order.next = batch_base_offset(s->header) + 1;
		return;
	}
	if (s->kind == WALK_BATCH && s->fault == WALK_SOUND) {
		take_sound(c, w, s);
		return;
	}
	if (c->x->spec->is_live && c->s->may_grow && s->kind == WALK_DAMAGE && s->fault == WALK_TORN && s->is_tail) {
		SAY(c->x, .weight = INSPECT_NOTE, .file = c->name, AT(s->file_pos), .size = s->size, .what = "a batch of which not all is there",
		    .then = "the broker that is running may be writing it");
		return;
	}
	if (c->torn_pos < 0)
		c->torn_pos = s->file_pos;
	c->unsure++;
	snprintf(what, sizeof(what), "%s", walk_fault_text(s->fault));
	snprintf(then, sizeof(then), "consumers stop here");
	if (s->kind == WALK_BATCH)
		pass_offsets(c, s->file_pos, NULL);
	else if (s->fault == WALK_TORN && !s->is_tail)
		snprintf(what, sizeof(what), "the length says %lld bytes, more than the file has", (long long)s->claimed);
	else if (s->fault == WALK_TORN)
		snprintf(what, sizeof(what), "a batch was cut off: %lld bytes of %lld are there", (long long)s->size, (long long)s->claimed);
	if (s->kind == WALK_DAMAGE && !s->is_tail)
		snprintf(then, sizeof(then), "consumers stop here; the next batch is at %lld", (long long)(s->file_pos + s->size));
	else if (c->s->is_last && s->kind == WALK_DAMAGE)
		snprintf(then, sizeof(then), c->x->spec->was_clean ? "a Java broker that starts after this clean stop may append behind it" :
			 "the broker cuts it off by itself when it starts, as there was no clean stop");
	fault_at(c, s, what, then);
}

static enum err walk(struct check *c, struct segment_walk *w)
{
	struct walk_step s;
	enum err e;

	while ((e = segment_walk_next(w, &s)) == OK && s.kind != WALK_END) {
		take_step(c, w, &s);
		if (c->x->spec->tick != NULL)
			c->x->spec->tick(c->x->spec->arg, c->x->result->bytes + s.file_pos + s.size, c->x->result->records);
	}
	return e;
}

/* What is torn at the end of the last segment recovery cuts off, and loses nothing that could be read. */
static void judge_tail(struct check *c, int64_t size)
{
	struct inspect_result *r = c->x->result;

	if (c->unsure == 0)
		return;
	if (!c->s->is_last) {
		r->inside += c->unsure;
		return;
	}
	r->torn_segment = c->s->base_offset;
	r->torn_pos = c->torn_pos;
	r->torn_bytes = size - c->torn_pos;
	r->wants_recovery = true;
}

static void note_missing(struct check *c, const char *suffix, const char *then, enum inspect_weight weight)
{
	char name[SEGMENT_NAME_MAX];

	snprintf(name, sizeof(name), "%020lld%s", (long long)c->s->base_offset, suffix);
	SAY(c->x, .weight = weight, .remedy = weight == INSPECT_DAMAGE ? INSPECT_RECOVER : INSPECT_NONE, .file = name, .what = "not there", .then = then);
}

static bool is_there(const struct check *c, const char *suffix)
{
	char path[LOG_PATH_MAX + SEGMENT_NAME_MAX];
	struct os_stat st;

	snprintf(path, sizeof(path), "%s/%020lld%s", c->x->spec->dir, (long long)c->s->base_offset, suffix);
	return os_stat(c->x->spec->os, path, &st) == OK;
}

/*
 * The listing is older than the size. A broker makes a segment's .log before its indexes, and removes it before them: an index that was not there then may be now, and
 * where the .log has gone since, none is missing. Java's makes the newest one's with its first batch.
 */
static void open_indexes(struct check *c)
{
	bool is_young = c->x->spec->is_live && c->s->is_last;

	if (c->s->has_index || is_there(c, ".index"))
		open_index(c, &c->offsets, ".index", OFFSET_ENTRY_BYTES, true);
	else if (c->size > 0 && is_there(c, ".log"))
		note_missing(c, ".index", "the broker makes it anew at its next start", INSPECT_NOTE);
	if (c->s->has_timeindex || is_there(c, ".timeindex"))
		open_index(c, &c->times, ".timeindex", TIME_ENTRY_BYTES, true);
	else if (c->size > 0 && is_there(c, ".log"))
		note_missing(c, ".timeindex", is_young ? "the broker that is running may be about to make it" :
			     "a broker takes an empty one instead, and looks for times from the segment's beginning", is_young ? INSPECT_NOTE : INSPECT_DAMAGE);
	snprintf(c->txns.name, sizeof(c->txns.name), "%020lld.txnindex", (long long)c->s->base_offset);
	if (c->s->has_txnindex || is_there(c, ".txnindex"))
		open_index(c, &c->txns, ".txnindex", TXN_INDEX_ENTRY_SIZE, false);
}

int64_t inspect_segment(struct inspection *x, const struct inspected_segment *s)
{
	struct check c = { .x = x, .s = s, .largest = NO_TIMESTAMP, .torn_pos = -1 };
	char path[LOG_PATH_MAX + SEGMENT_NAME_MAX];
	struct segment_walk w;
	struct os_stat st;

	snprintf(c.name, sizeof(c.name), "%020lld.log", (long long)s->base_offset);
	snprintf(path, sizeof(path), "%s/%s", x->spec->dir, c.name);
	batch_order_init(&c.order, s->base_offset, x->epoch);
	enum err e = os_stat(x->spec->os, path, &st);
	if (e == OK) {
		c.size = (int64_t)st.size;
		open_indexes(&c);	/* before the .log: a broker that is running writes them after the batches */
		e = segment_walk_open(&w, x->spec->os, path, s->base_offset);
	}
	if (e == OK) {
		e = walk(&c, &w);
		judge_tail(&c, segment_walk_size(&w));
		x->result->bytes += segment_walk_size(&w);
		segment_walk_close(&w);
	}
	if (e != OK) {
		inspect_unreadable(x, c.name, e);
		c.offsets.at = c.times.at = c.txns.at = SIZE_MAX;
	}
	if (x->result->old_format >= 0)
		c.offsets.at = c.times.at = c.txns.at = SIZE_MAX;
	end_of_entries(&c);
	x->epoch = c.order.epoch;
	return c.order.next;
}
