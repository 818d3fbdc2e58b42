/*
 * Feeding producer state from batches: the glue between record headers and producer_state, and the
 * replay that brings a loaded snapshot up to the end of the log.
 */
#include "storage/log_priv.h"

#include <stdlib.h>

#include "record/build.h"

void producer_append_from_batch(struct producer_append *a, const uint8_t *batch, size_t len,
	enum producer_origin origin)
{
	*a = (struct producer_append){
		.origin = origin,
		.producer_id = batch_producer_id(batch),
		.producer_epoch = batch_producer_epoch(batch),
		.base_sequence = batch_base_sequence(batch),
		.last_sequence = batch_base_sequence(batch) < 0 ? NO_SEQUENCE
			: batch_last_sequence(batch),
		.base_offset = batch_base_offset(batch),
		.last_offset = batch_last_offset(batch),
		.max_timestamp = batch_max_timestamp(batch),
		.is_transactional = batch_is_transactional(batch),
		.is_control = batch_is_control(batch),
		.coordinator_epoch = -1,
		.verified_sequence = -1,
	};
	struct marker m;
	if (a->is_control && len == batch_size(batch) &&
		marker_read(slice_of(batch, len), &m) == OK) {
		a->marker = m.type == MARKER_ABORT ? PRODUCER_MARKER_ABORT : PRODUCER_MARKER_COMMIT;
		a->coordinator_epoch = m.coordinator_epoch;
	}
}

enum err log_feed_producers(struct log *log, const uint8_t *batch, size_t len,
	struct txn_index *txns)
{
	struct producer_append a;
	enum err e = OK;

	if (batch_has_producer(batch)) {
		producer_append_from_batch(&a, batch, len, PRODUCER_REPLICATED);
		if (producer_state_stage(log->producers, &a) == NONE && a.has_ended &&
			a.marker == PRODUCER_MARKER_ABORT && txns != NULL) {
			struct aborted_txn txn = { a.producer_id, a.txn_first_offset, a.last_offset,
				a.txn_last_stable_offset };
			e = txn_index_append(txns, log->os, log->store.dir, &txn);
			log->has_aborted = true;
		}
		producer_state_commit(log->producers);
	}
	producer_state_advance(log->producers, batch_last_offset(batch) + 1);
	return e;
}

/* Markers are short; a control batch that is not is none of ours and feeds nothing but its
 * header. */
enum err log_feed_scanned(struct log *log, struct batch_scan *scan, const uint8_t *header,
	int64_t at, struct txn_index *txns)
{
	size_t size = batch_size(header);
	const uint8_t *batch = header;
	enum err e;

	if (!batch_is_control(header) || size > SCAN_BUFFER_BIG)
		return log_feed_producers(log, header, BATCH_HEADER_SIZE, txns);
	if ((e = batch_scan_bytes(scan, at, (uint32_t)size, &batch)) != OK)
		return e;
	return log_feed_producers(log, batch, size, txns);
}

/* ERR_CORRUPT also when a batch goes beyond to_offset: no log of ours or of Kafka's has that. */
static enum err replay_segment(struct log *log, struct segment *s, int64_t to_offset, uint8_t *buf,
	int64_t *records)
{
	int64_t from = MAX(producer_state_end_offset(log->producers), s->base_offset), at;
	struct batch_place place;
	struct batch_scan scan;
	struct log_file *f;
	const uint8_t *header;
	bool is_found;
	enum err e;

	if ((e = segment_find(s, from, &place, &is_found)) != OK || !is_found)
		return e;
	if ((e = segment_file(s, SEGMENT_LOG, &f)) != OK)
		return e;
	batch_scan_init(&scan, log->os, f->fd, place.file_pos, s->tail.size, buf, SCAN_BUFFER_BIG);
	/* Not a look beyond to_offset: what lies there may not have been checked yet. */
	while (producer_state_end_offset(log->producers) < to_offset &&
		(e = batch_scan_next(&scan, &header, &at)) == OK) {
		*records += batch_record_count(header);
		log->bytes_since_snapshot += batch_size(header);
		if ((e = log_feed_scanned(log, &scan, header, at, NULL)) != OK)
			return e;
	}
	if (e == OK || (e == ERR_INCOMPLETE && scan.pos == scan.end))
		return producer_state_end_offset(log->producers) <= to_offset ? OK : ERR_CORRUPT;
	return e == ERR_INCOMPLETE ? ERR_CORRUPT : e;
}

enum err log_replay_producers(struct log *log, int64_t to_offset, int64_t *records)
{
	int64_t from = producer_state_end_offset(log->producers);
	int first = MAX(log_segment_at(log, from), 0);
	uint8_t *buf;
	enum err e = OK;

	if (from >= to_offset)
		return OK;
	buf = mem_alloc(SCAN_BUFFER_BIG);
	for (int i = first; e == OK && i < log->segment_count &&
		log->segments[i]->base_offset < to_offset; i++) {
		/* Kafka keeps snapshots at the last two bases: made on the way when they are
		 * missing. The recovery point may be beyond: synced at once. */
		if (i >= log->segment_count - 2 && i > first) {
			int64_t base = log->segments[i]->base_offset;
			producer_state_advance(log->producers, base);
			if ((e = log_write_snapshot_or_owe(log)) == OK && !log->owes_snapshot)
				e = producer_snapshot_sync(log->os, log->store.dir, base);
		}
		int64_t end = i + 1 < log->segment_count ? log->segments[i + 1]->base_offset
			: INT64_MAX;
		if (e == OK)
			e = replay_segment(log, log->segments[i], MIN(end, to_offset), buf,
				records);
	}
	free(buf);
	if (e == OK)
		producer_state_advance(log->producers, to_offset);
	return e;
}

/* *offset: of a snapshot that was not there before, -1. */
static enum err write_snapshot(struct log *log, int64_t *offset)
{
	*offset = -1;
	if (producer_state_end_offset(log->producers) == 0)
		return OK;	/* Kafka has none for an empty log */
	enum err e = producer_snapshot_write(log->os, log->store.dir, log->producers, offset);

	log->is_dir_dirty = true;
	if (e == OK) {
		log->bytes_since_snapshot = 0;
		log->owes_snapshot = false;
	}
	return e;
}

enum err log_write_snapshot(struct log *log)
{
	int64_t offset;

	return write_snapshot(log, &offset);
}

enum err log_write_snapshot_or_owe(struct log *log)
{
	int64_t offset;
	enum err e = log->owes_files ? ERR_NO_SPACE : write_snapshot(log, &offset);

	/* The next recovery begins with it, and no flush will look at it again. */
	if (e == OK && offset >= 0 && offset <= log->recovery_point)
		e = producer_snapshot_sync(log->os, log->store.dir, offset);
	if (!err_is_passing(e))
		return e;
	log->owes_snapshot = true;
	return OK;
}

enum err log_reload_producers(struct log *log, time_ms now, int64_t *records)
{
	enum err e = producer_snapshot_load_newest(log->os, log->store.dir, log->producers,
		log->segments[0]->base_offset - 1, log->end_offset, now);

	if (e == OK)
		e = log_replay_producers(log, log->end_offset, records);
	if (e == OK)
		e = log_write_snapshot_or_owe(log);
	producer_state_set_high_watermark(log->producers, log->high_watermark);
	log_update_first_unstable(log);
	return e;
}

/* A large state is written less often: at most an eighth of what is appended goes into
 * snapshots. */
static bool snapshot_is_due(const struct log *log)
{
	if (LIKELY(log->bytes_since_snapshot < SNAPSHOT_EVERY_BYTES))
		return log->owes_snapshot;
	return log->bytes_since_snapshot >= 8 * (uint64_t)producer_snapshot_bytes(log->producers);
}

enum err log_snapshot_if_due(struct log *log)
{
	int64_t offset, oldest = log->extra_snapshots[SNAPSHOT_EXTRA_KEPT - 1];
	enum err e;

	if (!snapshot_is_due(log))
		return OK;
	e = producer_snapshot_write(log->os, log->store.dir, log->producers, &offset);
	log->owes_snapshot = false;
	if (err_is_passing(e)) {
		log->bytes_since_snapshot = 0;		/* it only shortens a restart: tried again
							 * after as many bytes */
		return OK;
	}
	if (e != OK || offset < 0)
		return e;
	log->bytes_since_snapshot = 0;
	int at = log_segment_at(log, oldest);
	if (oldest >= 0 && (at < 0 || log->segments[at]->base_offset != oldest))
		e = producer_snapshot_remove(log->os, log->store.dir, oldest);
	memmove(&log->extra_snapshots[1], &log->extra_snapshots[0],
		(SNAPSHOT_EXTRA_KEPT - 1) * sizeof(int64_t));
	log->extra_snapshots[0] = offset;
	return e;
}
