/*
 * How batches, records, times and bytes look in what skein log prints, and which file is what.
 */
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/consumer.h"
#include "json_record.h"
#include "storage/inspect.h"
#include "storage/logdir.h"
#include "storage/segment.h"

#define TEXT_BYTES_MAX 200	/* of a key or value in a line of text */

/* ---- names ---- */

static const struct { const char *name; enum log_file_kind kind; } by_suffix[] = {
	{ ".log", FILE_LOG }, { ".index", FILE_INDEX }, { ".timeindex", FILE_TIMEINDEX }, { ".txnindex", FILE_TXNINDEX }, { ".snapshot", FILE_SNAPSHOT },
}, by_name[] = {
	{ "leader-epoch-checkpoint", FILE_LEADER_EPOCHS }, { "recovery-point-offset-checkpoint", FILE_CHECKPOINT },
	{ "replication-offset-checkpoint", FILE_CHECKPOINT }, { "log-start-offset-checkpoint", FILE_CHECKPOINT },
	{ "cleaner-offset-checkpoint", FILE_CHECKPOINT }, { "partition.metadata", FILE_PARTITION_METADATA }, { "meta.properties", FILE_META_PROPERTIES },
};

static const char *const extras[] = { ".deleted", ".cleaned", ".swap", ".tmp" };

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static void take_directory(const char *path, struct log_file_name *out)
{
	char *whole = realpath(path, NULL), *slash = whole != NULL ? strrchr(whole, '/') : NULL;
	struct logdir_entry entry;

	if (slash != NULL) {
		*slash = '\0';
		if (logdir_parse_name(last_part(whole), &entry)) {
			snprintf(out->topic, sizeof(out->topic), "%s", entry.topic);
			out->partition = entry.partition;
		}
	}
	free(whole);
}

void log_file_name(const char *path, struct log_file_name *out)
{
	char name[512];
	const char *suffix;

	*out = (struct log_file_name){ .kind = FILE_UNKNOWN, .base_offset = -1, .partition = -1 };
	take_directory(path, out);
	snprintf(name, sizeof(name), "%s", last_part(path));
	for (size_t i = 0; i < ARRAY_LEN(extras); i++) {
		size_t n = strlen(name), m = strlen(extras[i]);
		if (n > m && strcmp(name + n - m, extras[i]) == 0)
			name[n - m] = '\0';
	}
	for (size_t i = 0; i < ARRAY_LEN(by_name); i++) {
		if (strcmp(name, by_name[i].name) == 0)
			out->kind = by_name[i].kind;
	}
	if (!segment_parse_name(name, &out->base_offset, &suffix)) {
		out->base_offset = -1;
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(by_suffix); i++) {
		if (strcmp(suffix, by_suffix[i].name) == 0)
			out->kind = by_suffix[i].kind;
	}
}

/* ---- values ---- */

void log_add_time(struct strbuf *out, time_ms t)
{
	time_t seconds = (time_t)(t / 1000);
	struct tm tm;
	char day[64];

	if (t < 0 || gmtime_r(&seconds, &tm) == NULL || strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
		if (t == NO_TIMESTAMP)
			strbuf_add_str(out, "none");
		else
			strbuf_printf(out, "%lld", (long long)t);
		return;
	}
	strbuf_printf(out, "%s.%03dZ", day, (int)(t % 1000));
}

void log_add_escaped(struct strbuf *out, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.ptr[i];
		if (c == '\n' || c == '\t' || c == '\r')
			strbuf_printf(out, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
		else if (c == '"' || c == '\\')
			strbuf_printf(out, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			strbuf_printf(out, "\\x%02x", c);
		else
			strbuf_add_char(out, (char)c);
	}
}

void log_add_bytes(struct strbuf *out, struct slice s, size_t max)
{
	if (slice_is_null(s)) {
		strbuf_add_str(out, "null");
		return;
	}
	strbuf_add_char(out, '"');
	log_add_escaped(out, slice_of(s.ptr, MIN(s.len, max)));
	strbuf_add_char(out, '"');
	if (s.len > max)
		strbuf_printf(out, "... (%zu bytes)", s.len);
}

const char *log_codec_name(const uint8_t *header)
{
	int codec = batch_codec(header);

	return codec == CODEC_NONE ? "none" : codec < CODEC_COUNT ? codec_name((enum codec)codec) : "unknown";
}

/* ---- batches ---- */

void log_add_batch(struct strbuf *out, const struct walk_step *step)
{
	const uint8_t *h = step->header;

	if (step->kind == WALK_OLD) {
		strbuf_printf(out, "offset %lld  %lld bytes  format %d: skein does not serve it; a Java broker of 3.x does", (long long)batch_base_offset(h),
			      (long long)step->size, batch_magic(h));
		return;
	}
	strbuf_printf(out, "offsets %lld-%lld  epoch %d  ", (long long)batch_base_offset(h), (long long)batch_last_offset(h), batch_leader_epoch(h));
	log_add_time(out, batch_max_timestamp(h));
	strbuf_printf(out, "  %d record%s  %lld bytes", batch_record_count(h), batch_record_count(h) == 1 ? "" : "s", (long long)step->size);
	if (batch_codec(h) != CODEC_NONE)
		strbuf_printf(out, "  %s", log_codec_name(h));
	if (batch_is_log_append_time(h))
		strbuf_add_str(out, "  append time");
	if (batch_has_producer(h))
		strbuf_printf(out, "  producer %lld/%d", (long long)batch_producer_id(h), batch_producer_epoch(h));
	if (batch_base_sequence(h) != NO_SEQUENCE)
		strbuf_printf(out, " sequence %d-%d", batch_base_sequence(h), batch_last_sequence(h));
	if (batch_is_transactional(h))
		strbuf_add_str(out, "  transactional");
	if (batch_is_control(h))
		strbuf_add_str(out, "  control");
	if (batch_has_delete_horizon(h)) {
		strbuf_add_str(out, "  delete horizon ");
		log_add_time(out, batch_base_timestamp(h));
	}
	if (step->fault == WALK_BAD_CRC)
		strbuf_printf(out, "  DAMAGE: %s", walk_fault_text(step->fault));
}

static const char *truth(bool is)
{
	return is ? "true" : "false";
}

void log_json_batch(struct strbuf *out, const struct walk_step *step)
{
	const uint8_t *h = step->header;

	strbuf_printf(out, "\"position\":%lld,\"size\":%lld,\"base_offset\":%lld,\"magic\":%d", (long long)step->file_pos, (long long)step->size,
		      (long long)batch_base_offset(h), batch_magic(h));
	if (step->kind == WALK_OLD)
		return;
	strbuf_printf(out, ",\"last_offset\":%lld,\"partition_leader_epoch\":%d,\"crc\":%u,\"crc_ok\":%s,\"codec\":\"%s\",\"log_append_time\":%s,\"transactional\":%s,"
		      "\"control\":%s,\"delete_horizon\":%s,\"base_timestamp\":%lld,\"max_timestamp\":%lld,\"producer_id\":%lld,\"producer_epoch\":%d,"
		      "\"base_sequence\":%d,\"record_count\":%d",
		      (long long)batch_last_offset(h), batch_leader_epoch(h), batch_crc(h), truth(step->fault == WALK_SOUND), log_codec_name(h),
		      truth(batch_is_log_append_time(h)), truth(batch_is_transactional(h)), truth(batch_is_control(h)), truth(batch_has_delete_horizon(h)),
		      (long long)batch_base_timestamp(h), (long long)batch_max_timestamp(h), (long long)batch_producer_id(h), batch_producer_epoch(h),
		      batch_base_sequence(h), batch_record_count(h));
}

/* ---- records ---- */

static void add_headers(struct strbuf *out, struct slice headers)
{
	struct record_header h;
	const char *before = "  headers ";

	while (record_header_next(&headers, &h)) {
		strbuf_add_str(out, before);
		log_add_bytes(out, h.key, TEXT_BYTES_MAX);
		strbuf_add_char(out, '=');
		log_add_bytes(out, h.value, TEXT_BYTES_MAX);
		before = ", ";
	}
}

void log_add_record(struct strbuf *out, const struct record *r, enum decode_kind decode)
{
	size_t before;

	strbuf_printf(out, "%10lld  ", (long long)r->offset);
	log_add_time(out, r->timestamp);
	before = out->len;
	strbuf_add_str(out, "  ");
	if (decode == DECODE_NONE || decode_record(decode, r->key, r->value, out) != OK) {
		strbuf_truncate(out, before);
		strbuf_add_str(out, "  key ");
		log_add_bytes(out, r->key, TEXT_BYTES_MAX);
		strbuf_add_str(out, "  value ");
		log_add_bytes(out, r->value, TEXT_BYTES_MAX);
	}
	add_headers(out, r->headers);
}

void log_json_record(struct strbuf *out, const struct log_file_name *name, const struct record *r, enum decode_kind decode)
{
	struct consumer_event e = { .kind = CONSUMER_RECORD, .topic = name->topic, .partition = name->partition, .offset = r->offset, .record = *r };

	json_record_write(out, &e);
	if (decode == DECODE_NONE)
		return;
	strbuf_truncate(out, out->len - 1);
	strbuf_add_str(out, ",\"decoded\":");
	if (decode_record(decode, r->key, r->value, out) != OK)
		strbuf_add_str(out, "null");
	strbuf_add_char(out, '}');
}

/* ---- findings ---- */

void log_add_finding(struct strbuf *out, const char *dir, const struct inspect_finding *f)
{
	strbuf_printf(out, "%s%s", dir, f->file[0] != '\0' ? "/" : "");
	log_add_escaped(out, slice_str(f->file));
	if (f->has_pos)
		strbuf_printf(out, " at %lld", (long long)f->file_pos);
	if (f->has_offset)
		strbuf_printf(out, " (offset %lld)", (long long)f->offset);
	if (f->has_pos && f->size > 0 && !f->has_offset)
		strbuf_printf(out, ", %lld bytes", (long long)f->size);
	strbuf_printf(out, ": %s%s%s%s", f->weight == INSPECT_NOTE ? "note: " : "", f->what, f->then[0] != '\0' ? "; " : "", f->then);
}

void log_json_finding(struct strbuf *out, const char *dir, const struct inspect_finding *f)
{
	strbuf_add_str(out, "{\"dir\":");
	json_write_string(out, slice_str(dir));
	strbuf_add_str(out, ",\"file\":");
	json_write_string(out, slice_str(f->file));
	if (f->has_pos)
		strbuf_printf(out, ",\"position\":%lld,\"size\":%lld", (long long)f->file_pos, (long long)f->size);
	if (f->has_offset)
		strbuf_printf(out, ",\"offset\":%lld", (long long)f->offset);
	strbuf_printf(out, ",\"%s\":", f->weight == INSPECT_NOTE ? "note" : "damage");
	json_write_string(out, slice_str(f->what));
	strbuf_add_str(out, ",\"then\":");
	json_write_string(out, slice_str(f->then));
	strbuf_add_char(out, '}');
}
