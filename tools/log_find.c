/*
 * skein log find: where in the files an offset, a time or a key is. Indexes are not asked: they may lie.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_record.h"
#include "log.h"
#include "storage/inspect.h"
#include "storage/segment.h"
#include "tool.h"

struct find {
	const struct log_options *o;
	struct decompressor      *stream;
	struct strbuf             out;
	int64_t                  *bases;	/* of the segments, ascending */
	int                       count, room;
	int64_t                   first, last;	/* offsets that were seen; last -1: none */
	int                       found, damaged;
	bool                      is_done;
};

static void take_file(void *arg, const char *name, bool is_dir)
{
	struct find *x = arg;
	const char *suffix;
	int64_t base;

	if (is_dir || !segment_parse_name(name, &base, &suffix) || strcmp(suffix, ".log") != 0)
		return;
	if (x->count == x->room) {
		x->room = MAX(16, 2 * x->room);
		x->bases = mem_realloc_array(x->bases, (size_t)x->room, sizeof(*x->bases));
	}
	x->bases[x->count++] = base;
}

/* ---- records ---- */

static bool is_it(const struct find *x, const struct record *r)
{
	if (x->o->has_offset)
		return r->offset >= x->o->offset;
	if (x->o->has_time)
		return r->timestamp >= x->o->time;
	return !slice_is_null(r->key) && slice_eq(r->key, x->o->key);
}

static void tell(struct find *x, const char *path, const struct log_file_name *name, const struct walk_step *s, const struct record *r, int at)
{
	if (x->o->output == LOG_TEXT) {
		strbuf_printf(&x->out, "%s at %lld  ", path, (long long)s->file_pos);
		log_add_batch(&x->out, s);
		strbuf_printf(&x->out, "\n  record %d of the batch: ", at + 1);
		log_add_record(&x->out, r, x->o->decode);
		strbuf_add_char(&x->out, '\n');
	} else {
		strbuf_add_str(&x->out, x->o->output == LOG_JSON && x->found > 0 ? ",{\"file\":" : "{\"file\":");
		json_write_string(&x->out, slice_str(path));
		strbuf_add_char(&x->out, ',');
		log_json_batch(&x->out, s);
		strbuf_printf(&x->out, ",\"record_in_batch\":%d,\"record\":", at);
		log_json_record(&x->out, name, r, x->o->decode);
		strbuf_add_str(&x->out, "}\n");
	}
	x->found++;
}

/* Offset and time ask for one record, a key for all. Control records are none. */
static void look_at_records(struct find *x, struct segment_walk *w, const char *path, const struct log_file_name *name, const struct walk_step *s)
{
	struct slice batch;
	struct record_iter it;
	struct record r;

	if (segment_walk_bytes(w, s, &batch) != OK)
		return;
	record_iter_init(&it, batch, x->stream, INSPECT_RECORDS_MAX);
	for (int at = 0; !x->is_done && record_iter_next(&it, &r); at++) {
		if (batch_is_control(s->header) || !is_it(x, &r))
			continue;
		tell(x, path, name, s, &r, at);
		x->is_done = slice_is_null(x->o->key);
	}
	x->damaged += it.err != OK;
	record_iter_fini(&it);
}

static bool may_have(const struct find *x, const struct walk_step *s)
{
	if (x->o->has_offset)
		return batch_last_offset(s->header) >= x->o->offset;
	if (x->o->has_time)
		return batch_max_timestamp(s->header) >= x->o->time;
	return true;
}

static void look_at_segment(struct find *x, const char *dir, int64_t base)
{
	char path[LOG_PATH_MAX + SEGMENT_NAME_MAX];
	struct log_file_name name;
	struct segment_walk w;
	struct walk_step s;

	snprintf(path, sizeof(path), "%s/%020lld.log", dir, (long long)base);
	log_file_name(path, &name);
	enum err e = segment_walk_open(&w, os_real(), path, base);
	if (e != OK) {
		tool_say("%s: %s", path, err_text(e));
		x->damaged++;
		return;
	}
	while (!x->is_done && (e = segment_walk_next(&w, &s)) == OK && s.kind != WALK_END) {
		if (s.kind != WALK_BATCH || s.fault != WALK_SOUND) {
			x->damaged += s.kind != WALK_OLD;
			continue;
		}
		if (x->last < 0)
			x->first = batch_base_offset(s.header);
		x->last = batch_last_offset(s.header);
		if (may_have(x, &s))
			look_at_records(x, &w, path, &name, &s);
	}
	if (e != OK)
		x->damaged++;
	segment_walk_close(&w);
}

/* An offset lies in the last segment that begins at or before it, or in a later one when it was compacted away. */
static int first_segment(const struct find *x)
{
	int at = 0;

	while (x->o->has_offset && at + 1 < x->count && x->bases[at + 1] <= x->o->offset)
		at++;
	return at;
}

static void say_nothing_found(const struct find *x, const char *dir)
{
	if (x->last < 0)
		tool_say("%s: no sound batch is in it", dir);
	else if (x->o->has_offset)
		tool_say("%s: no record has the offset %lld or a later one; the last is %lld", dir, (long long)x->o->offset, (long long)x->last);
	else
		tool_say("%s: no record of offsets %lld-%lld %s", dir, (long long)x->first, (long long)x->last, x->o->has_time ? "is as young as that" : "has this key");
}

/* Of several directories only what was found is worth a line. */
static int find_in(struct find *x, const char *dir, bool is_alone)
{
	int before = x->found;

	x->count = 0;
	x->is_done = false;
	x->last = -1;
	enum err e = os_list_dir(os_real(), dir, take_file, x);
	if (e != OK) {
		tool_say("%s: %s", dir, err_text(e));
		return EXIT_FAILED;
	}
	for (int i = first_segment(x); i < x->count && !x->is_done; i++) {
		look_at_segment(x, dir, x->bases[i]);
		fwrite(strbuf_cstr(&x->out), 1, x->out.len, stdout);
		strbuf_reset(&x->out);
	}
	if (x->found == before && is_alone)
		say_nothing_found(x, dir);
	return EXIT_OK;
}

int log_find(const struct log_options *o, char **paths, int n)
{
	struct find x = { .o = o, .stream = decompressor_create() };
	int code = EXIT_OK;

	if (o->output == LOG_JSON)
		fputs("[", stdout);
	for (int i = 0; i < n; i++) {
		struct log_dirs dirs;
		int one = EXIT_OK;

		if (!log_dirs_of(paths[i], &dirs, &one))
			code = tool_both(code, one);
		for (int k = 0; k < dirs.count && !ferror(stdout); k++)
			code = tool_both(code, find_in(&x, dirs.paths[k], n == 1 && dirs.count == 1));
		log_dirs_fini(&dirs);
	}
	if (o->output == LOG_JSON)
		fputs("]\n", stdout);
	free(x.bases);
	strbuf_fini(&x.out);
	decompressor_destroy(&x.stream);
	if (!tool_flush())
		return EXIT_FAILED;
	if (x.damaged > 0)
		tool_say("%d damaged place%s passed over (skein log verify)", x.damaged, x.damaged == 1 ? " was" : "s were");
	if (x.found == 0 && code == EXIT_OK)
		code = EXIT_NOT_FOUND;
	return x.damaged > 0 ? EXIT_DAMAGE : code;
}
