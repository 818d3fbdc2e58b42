/*
 * skein log verify: every byte of the files of partitions, and whether the files fit one another. A line per fault, and one of sums per partition.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_record.h"
#include "log.h"
#include "storage/inspect.h"
#include "storage/logdir.h"
#include "tool.h"

/* ---- directories ---- */

struct listing {
	struct log_dirs *out;
	const char      *path;
	bool             has_log;
};

static void take_log(void *arg, const char *name, bool is_dir)
{
	struct listing *l = arg;
	struct log_file_name n;
	struct logdir_entry e;
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/%s", l->path, name) >= (int)sizeof(path))
		return;
	if (!is_dir) {
		log_file_name(path, &n);
		l->has_log |= n.kind == FILE_LOG;
	} else if (logdir_parse_name(name, &e)) {
		if (l->out->count == l->out->room) {
			l->out->room = MAX(16, 2 * l->out->room);
			l->out->paths = mem_realloc_array(l->out->paths, (size_t)l->out->room, sizeof(*l->out->paths));
		}
		l->out->paths[l->out->count++] = mem_strdup(path);
	}
}

void log_dirs_fini(struct log_dirs *d)
{
	for (int i = 0; i < d->count; i++)
		free(d->paths[i]);
	free(d->paths);
}

bool log_dirs_of(const char *path, struct log_dirs *out, int *code)
{
	struct listing l = { .out = out, .path = path };
	struct os_stat st;
	enum err e = os_stat(os_real(), path, &st);

	*out = (struct log_dirs){ .count = 0 };
	if (e == OK && !st.is_dir) {
		tool_say("%s is a file; the directory that it lies in is wanted", path);
		*code = EXIT_USAGE;
		return false;
	}
	if (e == OK)
		e = os_list_dir(os_real(), path, take_log, &l);
	if (e != OK) {
		tool_say("%s: %s", path, err_text(e));
		*code = e == ERR_NOT_FOUND ? EXIT_NOT_FOUND : e == ERR_ACCESS ? EXIT_DENIED : EXIT_FAILED;
		return false;
	}
	if (l.has_log) {
		log_dirs_fini(out);
		*out = (struct log_dirs){ .paths = mem_alloc(sizeof(char *)), .count = 1, .room = 1 };
		out->paths[0] = mem_strdup(path);
	}
	if (out->count == 0) {
		tool_say("%s: neither the directory of a partition nor one with such in it", path);
		*code = EXIT_NOT_FOUND;
	}
	return out->count > 0;
}

/* ---- how far ---- */

struct sizes {
	const char *dir;
	int64_t     total;
};

static void add_size(void *arg, const char *name, bool is_dir)
{
	struct sizes *x = arg;
	struct log_file_name n;
	struct os_stat st;
	char path[4096];

	if (is_dir || snprintf(path, sizeof(path), "%s/%s", x->dir, name) >= (int)sizeof(path))
		return;
	log_file_name(path, &n);
	if (n.kind == FILE_LOG && os_stat(os_real(), path, &st) == OK)
		x->total += (int64_t)st.size;
}

void log_progress_add(struct log_progress *p, const char *dir)
{
	struct sizes x = { dir, 0 };

	if (p->bar.is_on && os_list_dir(os_real(), dir, add_size, &x) == OK)
		p->total += x.total;
}

void log_progress_tick(struct log_progress *p, int64_t bytes, int64_t records)
{
	if (p->bar.is_on)
		progress_tick(&p->bar, MIN(p->bytes + bytes, p->total), p->total, p->records + records);
}

void log_progress_done(struct log_progress *p, int64_t bytes, int64_t records)
{
	p->bytes += bytes;
	p->records += records;
}

/* ---- verify ---- */

struct verify {
	const struct log_options *o;
	struct decompressor      *stream;
	const char               *dir;
	struct strbuf             out;
	int                       dirs, damaged_dirs, objects;
	struct log_progress       progress;
	struct inspect_result     sum;
};

static void write_out(struct verify *v)
{
	progress_clear(&v->progress.bar);
	fwrite(v->out.ptr, 1, v->out.len, stdout);
	strbuf_reset(&v->out);
}

static void end_line(struct verify *v)
{
	strbuf_add_str(&v->out, "\n");
	write_out(v);
}

static void begin_object(struct verify *v)
{
	if (v->o->output == LOG_JSON && v->objects++ > 0)
		strbuf_add_char(&v->out, ',');
}

static void take_finding(void *arg, const struct inspect_finding *f)
{
	struct verify *v = arg;

	if (f->weight == INSPECT_NOTE && !v->o->notes && v->o->output == LOG_TEXT)
		return;
	begin_object(v);
	if (v->o->output == LOG_TEXT)
		log_add_finding(&v->out, v->dir, f);
	else
		log_json_finding(&v->out, v->dir, f);
	end_line(v);
}

static void tick(void *arg, int64_t bytes, int64_t records)
{
	struct verify *v = arg;

	log_progress_tick(&v->progress, bytes, records);
}

static void add_sums(struct verify *v, const char *dir, const struct inspect_result *r)
{
	begin_object(v);
	if (v->o->output == LOG_TEXT) {
		strbuf_printf(&v->out, "%s: %d segment%s, %lld batches, %lld records", dir, r->segments, r->segments == 1 ? "" : "s", (long long)r->batches,
			      (long long)r->records);
		if (r->first_offset >= 0 && r->first_offset < r->next_offset)
			strbuf_printf(&v->out, ", offsets %lld-%lld", (long long)r->first_offset, (long long)r->next_offset - 1);
		strbuf_printf(&v->out, ", %lld bytes: ", (long long)r->bytes);
		if (r->damage == 0)
			strbuf_add_str(&v->out, "sound");
		else
			strbuf_printf(&v->out, "%d place%s damaged", r->damage, r->damage == 1 ? "" : "s");
		if (r->notes > 0 && !v->o->notes)
			strbuf_printf(&v->out, ", %d note%s (--notes)", r->notes, r->notes == 1 ? "" : "s");
	} else {
		strbuf_add_str(&v->out, "{\"dir\":");
		json_write_string(&v->out, slice_str(dir));
		strbuf_printf(&v->out, ",\"segments\":%d,\"batches\":%lld,\"records\":%lld,\"first_offset\":%lld,\"next_offset\":%lld,\"bytes\":%lld,"
			      "\"damaged_places\":%d,\"notes\":%d}", r->segments, (long long)r->batches, (long long)r->records, (long long)r->first_offset,
			      (long long)r->next_offset, (long long)r->bytes, r->damage, r->notes);
	}
	end_line(v);
}

/* The marker of a clean stop, and a broker's lock, lie beside the partition's directory. */
static bool was_clean(const char *dir)
{
	char path[4096 + 32];
	struct os_stat st;

	snprintf(path, sizeof(path), "%s/../.kafka_cleanshutdown", dir);
	return os_stat(os_real(), path, &st) == OK;
}

static bool is_live(const char *dir)
{
	char path[4096 + 8];

	snprintf(path, sizeof(path), "%s/..", dir);
	return logdir_is_in_use(os_real(), path);
}

static void verify_dir(struct verify *v, const char *dir)
{
	struct inspect_spec spec = { .os = os_real(), .dir = dir, .stream = v->stream, .was_clean = was_clean(dir), .is_live = is_live(dir),
				     .each = take_finding, .tick = tick, .arg = v };
	struct inspect_result r;

	v->dir = dir;
	inspect_partition(&spec, &r);
	log_progress_done(&v->progress, r.bytes, r.records);
	add_sums(v, dir, &r);
	v->dirs++;
	v->damaged_dirs += r.damage > 0;
	v->sum.damage += r.damage;
	v->sum.batches += r.batches;
	v->sum.records += r.records;
	v->sum.bytes += r.bytes;
}

static int verify_all(struct verify *v, char **paths, int n)
{
	struct log_dirs *dirs = mem_calloc((size_t)n, sizeof(*dirs));
	int code = EXIT_OK;

	for (int i = 0; i < n; i++) {
		int one = EXIT_OK;

		if (!log_dirs_of(paths[i], &dirs[i], &one))
			code = tool_both(code, one);
		for (int k = 0; k < dirs[i].count; k++)
			log_progress_add(&v->progress, dirs[i].paths[k]);
	}
	for (int i = 0; i < n; i++) {
		for (int k = 0; k < dirs[i].count && !ferror(stdout); k++)
			verify_dir(v, dirs[i].paths[k]);
		log_dirs_fini(&dirs[i]);
	}
	free(dirs);
	return code;
}

int log_verify(const struct log_options *o, char **paths, int n)
{
	struct verify v = { .o = o, .stream = decompressor_create() };

	progress_begin(&v.progress.bar, "verify", true);
	if (o->output == LOG_JSON)
		strbuf_add_char(&v.out, '[');
	int code = verify_all(&v, paths, n);
	if (o->output == LOG_JSON) {
		strbuf_add_char(&v.out, ']');
		end_line(&v);
	}
	progress_fini(&v.progress.bar);
	decompressor_destroy(&v.stream);
	strbuf_fini(&v.out);
	if (!tool_flush())
		return EXIT_FAILED;
	if (v.dirs > 1)
		tool_say("%d partitions, %lld batches, %lld records, %lld bytes; damaged places: %d, in %d partitions", v.dirs, (long long)v.sum.batches,
			 (long long)v.sum.records, (long long)v.sum.bytes, v.sum.damage, v.damaged_dirs);
	return v.sum.damage > 0 ? EXIT_DAMAGE : code;
}
