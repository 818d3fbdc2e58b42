/*
 * skein log dump of the files beside a segment's .log: indexes, snapshots, checkpoints, identities.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_record.h"
#include "log.h"
#include "storage/checkpoint.h"
#include "storage/leader_epochs.h"
#include "storage/meta_properties.h"
#include "storage/offset_index.h"
#include "storage/partition_metadata.h"
#include "storage/producer_snapshot.h"
#include "storage/time_index.h"
#include "storage/txn_index.h"
#include "tool.h"

#define SMALL_BYTES_MAX (256 << 20)	/* an index has 10 MiB as a rule, a checkpoint has a line per partition */

struct small {
	const struct log_options   *o;
	const struct log_file_name *name;
	const char                 *path;
	struct strbuf              *out;
	int64_t                     size;		/* of the file; zeros at an index's end are not read */
	int64_t                     count;
	struct leader_epoch         epoch;	/* the last one */
	int                         fault_count;
	struct strbuf               faults;	/* lines of text, or objects of JSON with commas */
};

/* ---- entries ---- */

/* Begins an entry: its text is to follow, and small_end. */
static bool begin(struct small *x)
{
	if (x->o->output == LOG_TEXT)
		strbuf_add_str(x->out, "  ");
	else if (x->o->output == LOG_JSON && x->count > 0)
		strbuf_add_char(x->out, ',');
	x->count++;
	return x->o->output != LOG_TEXT;
}

static void end(struct small *x)
{
	if (x->o->output != LOG_JSON)
		strbuf_add_char(x->out, '\n');
}

static void fault(struct small *x, const char *what, int64_t pos)
{
	x->fault_count++;
	if (x->o->output == LOG_NDJSON)
		tool_say("%s: damage at %lld: %s", x->path, (long long)pos, what);
	else if (x->o->output == LOG_TEXT)
		strbuf_printf(&x->faults, "  DAMAGE at %lld: %s\n", (long long)pos, what);
	else
		strbuf_printf(&x->faults, "%s{\"position\":%lld,\"damage\":\"%s\"}", x->faults.len > 0 ? "," : "", (long long)pos, what);
}

/* ---- indexes ---- */

/* Entries of one size up to the zeros of the reservation. */
static size_t used_bytes(struct slice bytes, size_t entry)
{
	size_t len = bytes.len;

	while (len > 0 && bytes.ptr[len - 1] == 0)
		len--;
	return (len + entry - 1) / entry * entry <= bytes.len ? (len + entry - 1) / entry * entry : bytes.len;
}

static void add_rest(struct small *x, size_t used, size_t entry)
{
	int64_t whole = x->size / (int64_t)entry * (int64_t)entry;

	if (x->size != whole)
		fault(x, "the size is not that of whole entries", whole);
	if ((int64_t)used < whole && x->o->output == LOG_TEXT)
		strbuf_printf(x->out, "  %lld bytes of zeros: room that is kept for more entries\n", (long long)(whole - (int64_t)used));
}

static void dump_index(struct small *x, struct slice bytes)
{
	size_t used = used_bytes(bytes, OFFSET_ENTRY_BYTES);
	struct offset_entry before = { x->name->base_offset - 1, 0 };

	for (size_t i = 0; i + OFFSET_ENTRY_BYTES <= used; i += OFFSET_ENTRY_BYTES) {
		struct offset_entry e = offset_entry_decode(bytes.ptr + i, x->name->base_offset);

		strbuf_printf(x->out, begin(x) ? "{\"offset\":%lld,\"position\":%lld}" : "offset %lld  position %lld", (long long)e.offset, (long long)e.file_pos);
		end(x);
		if (e.offset <= before.offset || (i > 0 && e.file_pos <= before.file_pos))
			fault(x, "the entry does not lie above the one before", (int64_t)i);
		before = e;
	}
	add_rest(x, used, OFFSET_ENTRY_BYTES);
}

static void dump_timeindex(struct small *x, struct slice bytes)
{
	size_t used = used_bytes(bytes, TIME_ENTRY_BYTES);
	struct time_entry before = { -1, x->name->base_offset };

	for (size_t i = 0; i + TIME_ENTRY_BYTES <= used; i += TIME_ENTRY_BYTES) {
		struct time_entry e = time_entry_decode(bytes.ptr + i, x->name->base_offset);

		if (begin(x)) {
			strbuf_printf(x->out, "{\"timestamp\":%lld,\"offset\":%lld}", (long long)e.timestamp, (long long)e.offset);
		} else {
			log_add_time(x->out, e.timestamp);
			strbuf_printf(x->out, "  offset %lld", (long long)e.offset);
		}
		end(x);
		if (e.timestamp <= before.timestamp || e.offset < before.offset)
			fault(x, "the entry does not lie above the one before", (int64_t)i);
		before = e;
	}
	add_rest(x, used, TIME_ENTRY_BYTES);
}

static void dump_txnindex(struct small *x, struct slice bytes)
{
	int64_t before = x->name->base_offset - 1;
	struct aborted_txn a;

	for (size_t i = 0; i + TXN_INDEX_ENTRY_SIZE <= bytes.len; i += TXN_INDEX_ENTRY_SIZE) {
		if (!txn_index_decode(bytes.ptr + i, &a))
			fault(x, "the entry is not of version 0", (int64_t)i);
		else if (a.last_offset <= before || a.first_offset > a.last_offset)
			fault(x, "the entry does not lie above the one before", (int64_t)i);
		strbuf_printf(x->out, begin(x) ? "{\"producer_id\":%lld,\"first_offset\":%lld,\"last_offset\":%lld,\"last_stable_offset\":%lld}"
					       : "aborted: producer %lld  offsets %lld-%lld  last stable offset then %lld",
			      (long long)a.producer_id, (long long)a.first_offset, (long long)a.last_offset, (long long)a.last_stable_offset);
		end(x);
		before = a.last_offset;
	}
	add_rest(x, (size_t)(x->size / TXN_INDEX_ENTRY_SIZE * TXN_INDEX_ENTRY_SIZE), TXN_INDEX_ENTRY_SIZE);
}

/* ---- snapshots ---- */

static void take_producer(void *arg, const struct producer_snapshot_entry *e)
{
	struct small *x = arg;

	if (begin(x)) {
		strbuf_printf(x->out, "{\"producer_id\":%lld,\"producer_epoch\":%d,\"last_sequence\":%d,\"last_offset\":%lld,\"offset_delta\":%d,\"timestamp\":%lld,"
			      "\"coordinator_epoch\":%d,\"current_txn_first_offset\":%lld}",
			      (long long)e->producer_id, e->epoch, e->last_sequence, (long long)e->last_offset, e->offset_delta, (long long)e->timestamp,
			      e->coordinator_epoch, (long long)e->txn_first_offset);
	} else {
		strbuf_printf(x->out, "producer %lld/%d  ", (long long)e->producer_id, e->epoch);
		if (e->last_offset < 0)
			strbuf_add_str(x->out, "no batch  ");
		else
			strbuf_printf(x->out, "last sequence %d at offset %lld (batch of %lld)  ", e->last_sequence, (long long)e->last_offset,
				      (long long)e->offset_delta + 1);
		log_add_time(x->out, e->timestamp);
		if (e->coordinator_epoch >= 0)
			strbuf_printf(x->out, "  coordinator epoch %d", e->coordinator_epoch);
		if (e->txn_first_offset >= 0)
			strbuf_printf(x->out, "  transaction open since offset %lld", (long long)e->txn_first_offset);
	}
	end(x);
}

static void dump_snapshot(struct small *x, struct slice bytes)
{
	if (producer_snapshot_list(bytes, x->name->base_offset, take_producer, x) != OK)
		fault(x, "not a snapshot: its CRC, version, size or an entry is wrong", 0);
}

/* ---- text files ---- */

static bool take_checkpoint(void *arg, struct slice line)
{
	struct small *x = arg;
	struct checkpoint_entry e;

	if (!checkpoint_parse_entry(line, &e))
		return false;
	if (begin(x)) {
		strbuf_add_str(x->out, "{\"topic\":");
		json_write_string(x->out, e.topic);
		strbuf_printf(x->out, ",\"partition\":%d,\"offset\":%lld}", e.partition, (long long)e.offset);
	} else {
		log_add_escaped(x->out, e.topic);
		strbuf_printf(x->out, "-%d  offset %lld", e.partition, (long long)e.offset);
	}
	end(x);
	return true;
}

static bool take_epoch(void *arg, struct slice line)
{
	struct small *x = arg;
	struct leader_epoch e;

	if (!leader_epochs_parse_line(line, &e) || (x->count > 0 && (e.epoch <= x->epoch.epoch || e.start_offset <= x->epoch.start_offset)))
		return false;
	x->epoch = e;
	strbuf_printf(x->out, begin(x) ? "{\"epoch\":%d,\"start_offset\":%lld}" : "epoch %d  from offset %lld", e.epoch, (long long)e.start_offset);
	end(x);
	return true;
}

/* Of the frame of all checkpoints: the line that is wrong is the one behind those that were taken, or the frame is. */
static void dump_lines(struct small *x, struct slice text, bool (*line)(void *, struct slice))
{
	if (checkpoint_parse(text, line, x) != OK) {
		char what[96];

		snprintf(what, sizeof(what), "behind %lld entries: not version 0, a count, and so many entries that ascend", (long long)x->count);
		fault(x, what, 0);
	}
}

static void dump_metadata(struct small *x, struct slice text)
{
	char id[UUID_TEXT_LEN + 1];
	struct uuid topic_id;

	if (partition_metadata_parse(&topic_id, text) != OK) {
		fault(x, "not version 0 and a topic id", 0);
		return;
	}
	strbuf_printf(x->out, begin(x) ? "{\"version\":0,\"topic_id\":\"%s\"}" : "topic id %s", uuid_to_text(topic_id, id));
	end(x);
}

static void dump_meta(struct small *x, struct slice text)
{
	struct meta_properties m;
	enum err e = meta_properties_parse(&m, text);

	if (e != OK) {
		fault(x, e == ERR_UNSUPPORTED ? "of another version: the directory is that of a KRaft broker" : "no version, or a value that cannot be one", 0);
		return;
	}
	if (begin(x)) {
		strbuf_printf(x->out, "{\"broker_id\":%d,\"cluster_id\":", m.broker_id);
		json_write_string(x->out, slice_str(m.cluster_id));
		strbuf_add_str(x->out, ",\"directory_id\":");
		json_write_string(x->out, slice_str(m.directory_id));
		strbuf_add_char(x->out, '}');
	} else {
		strbuf_printf(x->out, "broker %d  cluster ", m.broker_id);
		log_add_escaped(x->out, slice_str(m.cluster_id));
		strbuf_add_str(x->out, m.directory_id[0] != '\0' ? "  directory " : "");
		log_add_escaped(x->out, slice_str(m.directory_id));
	}
	end(x);
}

/* ---- all ---- */

static size_t entry_bytes(enum log_file_kind kind)
{
	return kind == FILE_INDEX ? OFFSET_ENTRY_BYTES : kind == FILE_TIMEINDEX ? TIME_ENTRY_BYTES : kind == FILE_TXNINDEX ? TXN_INDEX_ENTRY_SIZE : 1;
}

static void dump(struct small *x, struct slice bytes)
{
	switch (x->name->kind) {
	case FILE_INDEX:              dump_index(x, bytes); break;
	case FILE_TIMEINDEX:          dump_timeindex(x, bytes); break;
	case FILE_TXNINDEX:           dump_txnindex(x, bytes); break;
	case FILE_SNAPSHOT:           dump_snapshot(x, bytes); break;
	case FILE_LEADER_EPOCHS:      dump_lines(x, bytes, take_epoch); break;
	case FILE_CHECKPOINT:         dump_lines(x, bytes, take_checkpoint); break;
	case FILE_PARTITION_METADATA: dump_metadata(x, bytes); break;
	case FILE_META_PROPERTIES:    dump_meta(x, bytes); break;
	case FILE_LOG:
	case FILE_UNKNOWN:            break;
	}
}

bool log_dump_small(const struct log_options *o, const char *path, const struct log_file_name *name, struct strbuf *out, enum err *e)
{
	struct small x = { .o = o, .name = name, .path = path, .out = out };
	char *bytes;
	size_t len;

	if (entry_bytes(name->kind) > 1) {
		*e = index_file_read_used(os_real(), path, entry_bytes(name->kind), SMALL_BYTES_MAX, &bytes, &len, &x.size);
	} else {
		*e = os_read_file(os_real(), path, SMALL_BYTES_MAX, &bytes, &len);
		x.size = (int64_t)len;
	}
	if (*e != OK)
		return true;
	if (o->output == LOG_JSON)
		strbuf_add_str(out, ",\"entries\":[");
	dump(&x, slice_of(bytes, len));
	free(bytes);
	if (o->output == LOG_JSON)
		strbuf_printf(out, "],\"damage\":[%s]", strbuf_cstr(&x.faults));
	else if (o->output == LOG_TEXT)
		strbuf_add(out, x.faults.ptr, x.faults.len);
	strbuf_fini(&x.faults);
	return x.fault_count == 0;
}
