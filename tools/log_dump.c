/*
 * skein log dump: what stands in the files of a log, in the order in which it stands there.
 *
 * Damage ends nothing: what is behind it is shown, too, and the exit code says that there was some. Records of a batch whose CRC is wrong are left
 * out unless they are asked for, since nobody knows what they were; what is printed as ndjson is taken by skein produce.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_record.h"
#include "log.h"
#include "log_txns.h"
#include "record/build.h"
#include "storage/batch_order.h"
#include "tool.h"

#define RECORDS_BYTES_MAX ((uint64_t)2 << 30)	/* of one batch, decompressed */

struct dump {
	const struct log_options *o;
	struct strbuf             out;
	struct decompressor      *stream;
	const char               *path;
	struct log_file_name      name;
	int                       files, damaged;	/* places that are */
	int                       code;
	bool                      is_closed;		/* nobody takes the output any more */
	bool                      is_listed;		/* the file was found in a directory: it may be gone by now */
	/* of the file */
	bool                      is_first_batch, is_first_record;
	struct strbuf             damage;		/* objects of JSON with commas */
	int64_t                   left_out;		/* records of batches with a wrong CRC */
	/* with --committed: of the directory txns_dir */
	struct log_txns           txns;
	char                     *txns_dir;
	int64_t                   not_committed;	/* records that were left out */
};

static void flush(struct dump *d)
{
	if (d->out.len > 0 && fwrite(d->out.ptr, 1, d->out.len, stdout) != d->out.len)
		d->is_closed = true;
	strbuf_reset(&d->out);
}

/* ---- damage ---- */

static void add_damage(struct dump *d, int64_t pos, int64_t size, const char *what, const char *then)
{
	d->damaged++;
	if (d->o->output == LOG_TEXT) {
		strbuf_printf(&d->out, "%10lld  DAMAGE  ", (long long)pos);
		if (size > 0)
			strbuf_printf(&d->out, "%lld bytes: ", (long long)size);
		strbuf_printf(&d->out, "%s%s%s\n", what, then[0] != '\0' ? "; " : "", then);
	} else if (d->o->output == LOG_JSON) {
		strbuf_printf(&d->damage, "%s{\"position\":%lld,\"size\":%lld,\"damage\":\"%s\",\"then\":\"%s\"}", d->damage.len > 0 ? "," : "", (long long)pos,
			      (long long)size, what, then);
	} else {
		flush(d);
		tool_say("%s: damage at %lld: %s%s%s", d->path, (long long)pos, what, then[0] != '\0' ? "; " : "", then);
	}
}

static void add_gap(struct dump *d, const struct walk_step *s)
{
	char what[160], then[96];

	snprintf(what, sizeof(what), "%s", walk_fault_text(s->fault));
	if (s->fault == WALK_TORN && !s->is_tail)
		snprintf(what, sizeof(what), "the length says %lld bytes, more than the file has", (long long)s->claimed);
	else if (s->fault == WALK_TORN)
		snprintf(what, sizeof(what), "%s: it has %lld bytes of %lld", walk_fault_text(s->fault), (long long)s->size, (long long)s->claimed);
	snprintf(then, sizeof(then), s->is_tail ? "no batch follows" : "the next batch is at %lld", (long long)(s->file_pos + s->size));
	add_damage(d, s->file_pos, s->size, what, then);
}

/* ---- records ---- */

/* A control record is no record for produce, so lines of objects leave it out. */
static void add_control(struct dump *d, struct slice batch, const struct record *r)
{
	struct marker m = { .coordinator_epoch = -1 };
	enum err e = marker_read(batch, &m);
	const char *what = e != OK ? "unknown" : m.type == MARKER_COMMIT ? "commit" : "abort";

	if (d->o->output == LOG_TEXT) {
		strbuf_printf(&d->out, "%14lld  ", (long long)r->offset);
		log_add_time(&d->out, r->timestamp);
		strbuf_printf(&d->out, "  %s  producer %lld/%d  coordinator epoch %d\n", what, (long long)batch_producer_id(batch.ptr), batch_producer_epoch(batch.ptr),
			      m.coordinator_epoch);
	} else {
		strbuf_printf(&d->out, "{\"offset\":%lld,\"timestamp\":%lld,\"control\":\"%s\",\"coordinator_epoch\":%d}", (long long)r->offset,
			      (long long)r->timestamp, what, m.coordinator_epoch);
	}
}

static void add_record(struct dump *d, struct slice batch, const struct record *r)
{
	bool is_control = batch_is_control(batch.ptr);

	if (r->offset < d->o->from || r->offset > d->o->to || (is_control && d->o->output == LOG_NDJSON))
		return;
	if (d->o->output == LOG_JSON && !d->is_first_record)
		strbuf_add_char(&d->out, ',');
	if (d->o->output == LOG_TEXT && !is_control)
		strbuf_add_str(&d->out, "    ");
	d->is_first_record = false;
	if (is_control)
		add_control(d, batch, r);
	else if (d->o->output == LOG_TEXT)
		log_add_record(&d->out, r, d->o->decode);
	else
		log_json_record(&d->out, &d->name, r, d->o->decode);
	if (d->o->output == LOG_NDJSON || (d->o->output == LOG_TEXT && !is_control))
		strbuf_add_char(&d->out, '\n');
	if (d->out.len > SCAN_BUFFER_BIG)
		flush(d);
}

static void add_records(struct dump *d, struct segment_walk *w, const struct walk_step *s)
{
	struct slice batch;
	struct record_iter it;
	struct record r;
	enum err e = segment_walk_bytes(w, s, &batch);

	if (e == OK) {
		record_iter_init(&it, batch, d->stream, RECORDS_BYTES_MAX);
		while (!d->is_closed && record_iter_next(&it, &r))
			add_record(d, batch, &r);
		e = it.err;
		record_iter_fini(&it);
	}
	if (e != OK && s->fault == WALK_SOUND)
		add_damage(d, s->file_pos, s->size, e == ERR_UNSUPPORTED ? "the codec is not known" : "its records do not fit the batch",
			   "those before that place are shown");
}

/* ---- batches ---- */

static bool is_wanted(const struct dump *d, const struct walk_step *s)
{
	if (s->kind == WALK_OLD)
		return batch_base_offset(s->header) >= d->o->from && batch_base_offset(s->header) <= d->o->to;
	return batch_last_offset(s->header) >= d->o->from && batch_base_offset(s->header) <= d->o->to;
}

static bool is_not_committed(const struct dump *d, const struct walk_step *s)
{
	return d->o->committed && s->kind == WALK_BATCH && batch_is_transactional(s->header) && !batch_is_control(s->header) &&
	       log_txns_has(&d->txns, batch_producer_id(s->header), batch_base_offset(s->header));
}

static void add_batch(struct dump *d, struct segment_walk *w, const struct walk_step *s)
{
	bool has_records = d->o->records && s->kind == WALK_BATCH && (s->fault == WALK_SOUND || d->o->with_damaged);

	if (is_not_committed(d, s)) {
		d->not_committed += has_records ? batch_record_count(s->header) : 0;
		has_records = false;
	}
	if (d->o->output == LOG_TEXT) {
		strbuf_printf(&d->out, "%10lld  ", (long long)s->file_pos);
		log_add_batch(&d->out, s);
		strbuf_add_char(&d->out, '\n');
	} else if (d->o->output == LOG_JSON) {
		strbuf_add_str(&d->out, d->is_first_batch ? "{" : ",{");
		log_json_batch(&d->out, s);
		if (has_records)
			strbuf_add_str(&d->out, ",\"records\":[");
	}
	d->is_first_batch = false;
	d->is_first_record = true;
	if (has_records)
		add_records(d, w, s);
	else if (d->o->records && s->kind == WALK_BATCH && s->fault == WALK_BAD_CRC)
		d->left_out += batch_record_count(s->header);
	if (d->o->output == LOG_JSON)
		strbuf_add_str(&d->out, has_records ? "]}" : "}");
}

static void take_batch(struct dump *d, struct segment_walk *w, const struct walk_step *s, struct batch_order *order)
{
	bool blames_before;
	const char *fault = s->kind == WALK_BATCH && s->fault == WALK_SOUND ? batch_order_take(order, s->header, &blames_before) : NULL;

	if (is_wanted(d, s))
		add_batch(d, w, s);
	if (s->fault == WALK_BAD_CRC && d->o->output == LOG_TEXT)
		d->damaged++;		/* the batch's own line says it */
	else if (s->fault == WALK_BAD_CRC)
		add_damage(d, s->file_pos, s->size, walk_fault_text(s->fault), "");
	if (fault != NULL)
		add_damage(d, s->file_pos, 0, fault, blames_before ? "the batch before seems to be the one with a wrong number" : "");
}

static enum err dump_batches(struct dump *d, struct segment_walk *w)
{
	struct batch_order order;
	struct walk_step s;
	enum err e;

	batch_order_init(&order, d->name.base_offset, -1);
	while ((e = segment_walk_next(w, &s)) == OK && s.kind != WALK_END && !d->is_closed) {
		if (s.kind == WALK_DAMAGE)
			add_gap(d, &s);
		else
			take_batch(d, w, &s, &order);
		if (d->out.len > SCAN_BUFFER_BIG)
			flush(d);
	}
	return e;
}

/* Of the directory that the file lies in, unless they are known. */
static enum err read_txns(struct dump *d)
{
	const char *slash = strrchr(d->path, '/');
	char *dir = slash != NULL ? mem_strndup(d->path, MAX((size_t)(slash - d->path), 1u)) : mem_strdup(".");

	if (d->txns_dir != NULL && strcmp(dir, d->txns_dir) == 0) {
		free(dir);
		return OK;
	}
	free(d->txns_dir);
	d->txns_dir = dir;
	enum err e = log_txns_read(&d->txns, dir);
	if (e != OK) {
		free(d->txns_dir);
		d->txns_dir = NULL;
	}
	return e;
}

static enum err dump_log(struct dump *d)
{
	struct segment_walk w;
	enum err e = d->o->committed ? read_txns(d) : OK;

	if (e == OK)
		e = segment_walk_open(&w, os_real(), d->path, d->name.base_offset);
	if (e != OK)
		return e;
	d->is_first_batch = true;
	strbuf_reset(&d->damage);
	d->left_out = 0;
	if (d->o->output == LOG_JSON)
		strbuf_add_str(&d->out, ",\"batches\":[");
	e = dump_batches(d, &w);
	if (d->o->output == LOG_JSON)
		strbuf_printf(&d->out, "],\"damage\":[%s]", strbuf_cstr(&d->damage));
	segment_walk_close(&w);
	flush(d);
	if (d->left_out > 0)
		tool_say("%s: %lld records of batches with a wrong CRC are not shown (--with-damaged shows them)", d->path, (long long)d->left_out);
	return e;
}

/* ---- files ---- */

static void fail(struct dump *d, const char *path, enum err e)
{
	tool_say("%s: %s", path, err_text(e));
	d->code = tool_both(d->code, e == ERR_NOT_FOUND ? EXIT_NOT_FOUND : e == ERR_ACCESS ? EXIT_DENIED : EXIT_FAILED);
}

static void dump_file(struct dump *d, const char *path)
{
	enum err e;

	d->path = path;
	d->files++;
	if (d->o->output == LOG_TEXT) {
		strbuf_printf(&d->out, "%s%s\n", d->files > 1 ? "\n" : "", path);
	} else if (d->o->output == LOG_JSON) {
		strbuf_add_str(&d->out, d->files > 1 ? ",\n{\"file\":" : "{\"file\":");
		json_write_string(&d->out, slice_str(path));
	}
	if (d->name.kind == FILE_LOG)
		e = dump_log(d);
	else
		d->damaged += !log_dump_small(d->o, path, &d->name, &d->out, &e);
	if (d->o->output == LOG_JSON)
		strbuf_add_char(&d->out, '}');
	flush(d);
	if (e == ERR_NOT_FOUND && d->is_listed)
		tool_say("%s: went away while it was looked at", path);
	else if (e != OK)
		fail(d, path, e);
}

static void dump_dir(struct dump *d, const char *path);

struct listing {
	struct dump *d;
	const char  *path;
};

static void take_entry(void *arg, const char *name, bool is_dir)
{
	struct listing *l = arg;
	char path[4096];

	if (l->d->is_closed || snprintf(path, sizeof(path), "%s/%s", l->path, name) >= (int)sizeof(path))
		return;
	if (is_dir) {
		dump_dir(l->d, path);
		return;
	}
	log_file_name(path, &l->d->name);
	if (l->d->name.kind != FILE_UNKNOWN && (l->d->name.kind == FILE_LOG || l->d->o->output != LOG_NDJSON))
		dump_file(l->d, path);
}

/* Of all files in it whose names say what they are; as lines of objects only the records. */
static void dump_dir(struct dump *d, const char *path)
{
	struct listing l = { d, path };
	enum err e = os_list_dir(os_real(), path, take_entry, &l);

	if (e != OK)
		fail(d, path, e);
}

static void dump_path(struct dump *d, const char *path)
{
	struct os_stat st;
	enum err e = os_stat(os_real(), path, &st);

	if (e != OK) {
		fail(d, path, e);
	} else if (st.is_dir) {
		int before = d->files;
		d->is_listed = true;
		dump_dir(d, path);
		d->is_listed = false;
		if (d->files == before && d->code == EXIT_OK) {
			tool_say("%s: no file of a log is in it", path);
			d->code = EXIT_NOT_FOUND;
		}
	} else {
		log_file_name(path, &d->name);
		if (d->name.kind == FILE_UNKNOWN) {
			tool_say("%s: the name is not that of one of Kafka's files (00000000000000000000.log, .index, .timeindex, .txnindex, .snapshot; checkpoints; "
				 "partition.metadata; meta.properties)", path);
			d->code = tool_both(d->code, EXIT_USAGE);
			return;
		}
		dump_file(d, path);
	}
}

int log_dump(const struct log_options *o, char **paths, int n)
{
	struct dump d = { .o = o, .stream = decompressor_create() };

	if (o->output == LOG_JSON)
		strbuf_add_char(&d.out, '[');
	for (int i = 0; i < n && !d.is_closed; i++)
		dump_path(&d, paths[i]);
	if (o->output == LOG_JSON)
		strbuf_add_str(&d.out, "]\n");
	flush(&d);
	decompressor_destroy(&d.stream);
	log_txns_fini(&d.txns);
	free(d.txns_dir);
	strbuf_fini(&d.out);
	strbuf_fini(&d.damage);
	if (!tool_flush())
		return EXIT_FAILED;
	if (d.not_committed > 0)
		tool_say("%lld records of transactions that were aborted, or have not ended, are left out", (long long)d.not_committed);
	if (d.damaged > 0)
		tool_say("damage found in %d place%s", d.damaged, d.damaged == 1 ? "" : "s");
	return d.damaged > 0 ? EXIT_DAMAGE : d.code;
}
