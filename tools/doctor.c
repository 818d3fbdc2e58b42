/*
 * skein check: an offline doctor for log directories.
 *
 * Each directory's lock is held from the first look to the end, so that no broker starts meanwhile. Without --repair nothing is changed. After a
 * repair everything is looked at again, and the exit code is what that look says.
 */
#include "doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_record.h"
#include "tool.h"

static const char help[] =
	"Usage: skein check [OPTION...] DIR...\n\n"
	"Looks at every file of a broker's log directories (all of log.dirs) while no broker runs on them:\n"
	"identity, checkpoints, and of each partition what skein log verify does. Says what is damaged, what\n"
	"follows from it, and what a broker mends by itself when it starts. A directory whose lock a broker\n"
	"holds is refused.\n\n"
	"Nothing is changed without --repair: what it would do is said. It makes indexes and epochs anew from\n"
	"the batches, cuts off what at the very end of a log is no batch (and keeps the bytes in a file\n"
	"beside it), gives damaged files that others make up for another name (.damaged), and writes damaged\n"
	"checkpoints anew from the lines that can be read. What would lose records that can be read is left\n"
	"as it is, and said.\n\n"
	"      --repair             do it; asks at a terminal\n"
	"  -y, --yes                do not ask\n"
	"      --notes              also what is no damage: remains, and what a broker mends by itself\n"
	"  -v, --verbose            a line per partition\n"
	"  -o, --output FORMAT      text (default), or ndjson: an object per finding, plan and directory\n"
	"  -h, --help               this text\n\n"
	"Exit codes: 0 all is sound, or is again after a repair; 1 a broker runs on it, or it cannot be read;\n"
	"2 usage; 3 not there; 8 damage found, or left after a repair.\n\n"
	"Examples:\n"
	"  skein check /var/lib/skein\n"
	"  skein check --repair /disk1/skein /disk2/skein\n";

enum { OPT_REPAIR = 256, OPT_NOTES };

static const struct option options[] = {
	{ "repair", no_argument, NULL, OPT_REPAIR }, { "yes", no_argument, NULL, 'y' }, { "notes", no_argument, NULL, OPT_NOTES }, { "verbose", no_argument, NULL, 'v' },
	{ "output", required_argument, NULL, 'o' }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
};

struct wishes {
	struct log_options o;
	bool               repair, yes, verbose;
};

static void write_line(struct doctor *d)
{
	progress_clear(&d->progress.bar);
	strbuf_add_char(&d->out, '\n');
	fwrite(d->out.ptr, 1, d->out.len, stdout);
	strbuf_reset(&d->out);
}

void doctor_tell(struct doctor *d, const struct inspect_finding *f)
{
	struct inspect_finding whole = *f;

	whole.file = f->file != NULL ? f->file : "";
	whole.then = f->then != NULL ? f->then : "";
	d->damage += f->weight == INSPECT_DAMAGE;
	d->notes += f->weight == INSPECT_NOTE;
	if (f->weight == INSPECT_NOTE && !d->o->notes && d->o->output == LOG_TEXT)
		return;
	if (d->o->output == LOG_TEXT)
		log_add_finding(&d->out, d->partition != NULL ? d->partition->path : d->dir->path, &whole);
	else
		log_json_finding(&d->out, d->partition != NULL ? d->partition->path : d->dir->path, &whole);
	write_line(d);
}

/* ---- locks ---- */

static int lock(struct doctor_dir *dir)
{
	char path[4096];
	struct os_stat st;
	enum err e = os_stat(os_real(), dir->path, &st);

	dir->lock = -1;
	if (e == OK && !st.is_dir) {
		tool_say("%s is no directory", dir->path);
		return EXIT_USAGE;
	}
	if (e == OK) {
		snprintf(path, sizeof(path), "%s/%s", dir->path, LOGDIR_LOCK_FILE);
		e = os_open(os_real(), path, OS_RDWR, &dir->lock);
		if (e == ERR_NOT_FOUND)
			return EXIT_OK;		/* no broker has ever run on it */
		if (e == OK)
			e = os_lock(os_real(), dir->lock);
	}
	if (e == ERR_READ_ONLY)
		tool_say("%s: the file system is read-only; whether a broker runs on it cannot be told", dir->path);
	if (e == OK || e == ERR_READ_ONLY)
		return EXIT_OK;
	if (e == ERR_ACCESS) {
		tool_say("%s: its lock cannot be taken: %s", dir->path, err_text(e));
		return EXIT_DENIED;
	}
	tool_say(e == ERR_LOCKED ? "%s: a broker is running on it; stop it first" : "%s: %s", dir->path, err_text(e));
	return e == ERR_NOT_FOUND ? EXIT_NOT_FOUND : EXIT_FAILED;
}

static void forget(struct doctor_dir *dir)
{
	for (int i = 0; i < dir->count; i++) {
		for (int k = 0; k < dir->partitions[i].aside_count; k++)
			free(dir->partitions[i].aside[k]);
		free(dir->partitions[i].aside);
		free(dir->partitions[i].path);
	}
	free(dir->partitions);
	for (int i = 0; i < LOGDIR_CHECKPOINTS; i++)
		free(dir->checkpoints[i].lines);
	*dir = (struct doctor_dir){ .path = dir->path, .lock = dir->lock };
}

/* ---- what was found ---- */

static void add_size(struct strbuf *out, int64_t bytes)
{
	static const char units[] = "BKMGTP";
	double n = (double)bytes;
	int unit = 0;

	for (; n >= 1000 && units[unit + 1] != '\0'; unit++)
		n /= 1024;
	if (unit == 0)
		strbuf_printf(out, "%lld B", (long long)bytes);
	else
		strbuf_printf(out, "%.1f %cB", n, units[unit]);
}

static void tell_partition(struct doctor *d, const struct doctor_partition *p)
{
	const struct inspect_result *r = &p->result;

	if (d->o->output == LOG_TEXT) {
		strbuf_printf(&d->out, "  %s: %d segment%s, ", p->at.name, r->segments, r->segments == 1 ? "" : "s");
		if (r->next_offset > r->first_offset)
			strbuf_printf(&d->out, "offsets %lld-%lld, ", (long long)r->first_offset, (long long)r->next_offset - 1);
		else
			strbuf_add_str(&d->out, "no records, ");
		add_size(&d->out, r->bytes);
		if (r->damage > 0)
			strbuf_printf(&d->out, ", %d damaged", r->damage);
	} else {
		strbuf_add_str(&d->out, "{\"partition\":");
		json_write_string(&d->out, slice_str(p->path));
		strbuf_printf(&d->out, ",\"segments\":%d,\"batches\":%lld,\"records\":%lld,\"first_offset\":%lld,\"next_offset\":%lld,\"bytes\":%lld,\"damaged_places\":%d}",
			      r->segments, (long long)r->batches, (long long)r->records, (long long)r->first_offset, (long long)r->next_offset,
			      (long long)r->bytes, r->damage);
	}
	write_line(d);
}

static void tell_dir(struct doctor *d, const struct doctor_dir *dir)
{
	uint64_t total = 0, usable = 0;
	bool has_space = os_space(os_real(), dir->path, &total, &usable) == OK;

	if (d->o->output == LOG_TEXT) {
		strbuf_printf(&d->out, "%s: ", dir->path);
		if (dir->has_meta) {
			strbuf_printf(&d->out, "broker %d of cluster ", dir->meta.broker_id);
			log_add_escaped(&d->out, slice_str(dir->meta.cluster_id));
			strbuf_add_str(&d->out, ", ");
		}
		strbuf_printf(&d->out, "%s; %d partition%s of %d topic%s, ", dir->was_clean ? "stopped cleanly" : "not stopped cleanly",
			      dir->count, dir->count == 1 ? "" : "s", dir->topics, dir->topics == 1 ? "" : "s");
		add_size(&d->out, dir->bytes);
		if (has_space) {
			strbuf_add_str(&d->out, ", ");
			add_size(&d->out, (int64_t)usable);
			strbuf_add_str(&d->out, " free");
		}
	} else {
		strbuf_add_str(&d->out, "{\"log_dir\":");
		json_write_string(&d->out, slice_str(dir->path));
		strbuf_printf(&d->out, ",\"broker_id\":%d,\"cluster_id\":", dir->has_meta ? dir->meta.broker_id : -1);
		json_write_string(&d->out, slice_str(dir->has_meta ? dir->meta.cluster_id : ""));
		strbuf_printf(&d->out, ",\"stopped_cleanly\":%s,\"topics\":%d,\"partitions\":%d,\"bytes\":%lld,\"usable_bytes\":%llu}",
			      dir->was_clean ? "true" : "false", dir->topics, dir->count, (long long)dir->bytes, (unsigned long long)usable);
	}
	write_line(d);
}

static void look_at_all(struct doctor *d, bool verbose)
{
	d->damage = d->notes = 0;
	for (int i = 0; i < d->count && !ferror(stdout); i++) {
		d->dir = &d->dirs[i];
		d->progress = (struct log_progress){ .total = 0 };
		progress_begin(&d->progress.bar, d->dir->path, true);
		doctor_look(d);
		progress_fini(&d->progress.bar);
		tell_dir(d, d->dir);
		for (int k = 0; verbose && k < d->dir->count; k++)
			tell_partition(d, &d->dir->partitions[k]);
	}
	doctor_compare_dirs(d);
}

/* ---- repair ---- */

struct planning {
	struct doctor *d;
	const char    *word;		/* "would be done", "done" */
};

static void say_plan(void *arg, const char *path, const char *text)
{
	struct planning *x = arg;
	struct doctor *d = x->d;

	if (d->o->output == LOG_TEXT) {
		strbuf_printf(&d->out, "%s %s: %s", x->word, path, text);
	} else {
		strbuf_add_str(&d->out, "{\"plan\":");
		json_write_string(&d->out, slice_str(path));
		strbuf_add_str(&d->out, ",\"text\":");
		json_write_string(&d->out, slice_str(text));
		strbuf_add_char(&d->out, '}');
	}
	write_line(d);
}

static int plan_all(struct doctor *d, const char *word)
{
	struct planning x = { d, word };
	int things = 0;

	for (int i = 0; i < d->count; i++)
		things += doctor_plan(&d->dirs[i], say_plan, &x);
	return things;
}

static int sum_up(const struct doctor *d)
{
	if (d->damage == 0 && d->notes > 0 && !d->o->notes)
		tool_say("nothing is damaged; %d note%s (--notes)", d->notes, d->notes == 1 ? "" : "s");
	else if (d->damage == 0)
		tool_say("nothing is damaged");
	else
		tool_say("%d place%s damaged", d->damage, d->damage == 1 ? " is" : "s are");
	return d->damage > 0 ? EXIT_DAMAGE : EXIT_OK;
}

static int repair(struct doctor *d, const struct wishes *w)
{
	bool ok = true;

	if (plan_all(d, "repair:") == 0)
		return sum_up(d);
	tool_flush();
	if (!tool_confirm(w->yes, "Repair what is said above?", "a repair changes files"))
		return EXIT_DAMAGE;
	for (int i = 0; i < d->count && ok; i++)
		ok = doctor_repair(&d->dirs[i]);
	for (int i = 0; i < d->count; i++)
		forget(&d->dirs[i]);
	tool_say("%s; looking again", ok ? "repaired" : "not all could be done");
	look_at_all(d, false);
	int code = sum_up(d);
	return ok ? code : EXIT_DAMAGE;
}

static int run(struct doctor *d, const struct wishes *w)
{
	int code = EXIT_OK;

	for (int i = 0; i < d->count; i++)
		code = tool_both(code, lock(&d->dirs[i]));
	if (code != EXIT_OK)
		return code;
	look_at_all(d, w->verbose);
	if (d->damage == 0)
		code = sum_up(d);
	else if (w->repair)
		code = repair(d, w);
	else {
		plan_all(d, "--repair:");
		code = sum_up(d);
	}
	return tool_flush() ? code : EXIT_FAILED;
}

int tool_check(int argc, char **argv)
{
	struct wishes w = { .o = { .output = LOG_TEXT } };
	int c;

	while ((c = getopt_long(argc, argv, "yvo:h", options, NULL)) != -1) {
		switch (c) {
		case OPT_REPAIR: w.repair = true; break;
		case OPT_NOTES:  w.o.notes = true; break;
		case 'y':        w.yes = true; break;
		case 'v':        w.verbose = true; break;
		case 'o':
			if (strcmp(optarg, "text") != 0 && strcmp(optarg, "ndjson") != 0)
				return tool_usage("check", "the output can be text or ndjson, not \"%s\"", optarg);
			w.o.output = strcmp(optarg, "text") == 0 ? LOG_TEXT : LOG_NDJSON;
			break;
		case 'h':
			fputs(help, stdout);
			return EXIT_OK;
		default:
			return tool_usage_told("check");
		}
	}
	if (optind == argc)
		return tool_usage("check", "which directory? Those of log.dirs have to be named");
	struct doctor d = { .o = &w.o, .stream = decompressor_create(), .count = argc - optind };
	d.dirs = mem_calloc((size_t)d.count, sizeof(*d.dirs));
	for (int i = 0; i < d.count; i++) {
		char *path = argv[optind + i];

		for (size_t len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
			path[len - 1] = '\0';
		d.dirs[i] = (struct doctor_dir){ .path = path, .lock = -1 };
	}
	int code = run(&d, &w);
	for (int i = 0; i < d.count; i++) {
		os_close(os_real(), &d.dirs[i].lock);
		forget(&d.dirs[i]);
	}
	free(d.dirs);
	strbuf_fini(&d.out);
	decompressor_destroy(&d.stream);
	return code;
}
