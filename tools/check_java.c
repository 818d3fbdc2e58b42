/*
 * skein cluster check-java: what of a Java broker's configuration, files and cluster would stop skein from taking its place, or change what its users see. It only looks, so the broker may
 * be running. What stops is judged by the code by which skein serve refuses.
 */
#include "check_java.h"

#include <stdio.h>
#include <stdlib.h>

#include "cluster.h"
#include "controller/joining.h"
#include "show.h"
#include "tool.h"

static const char help[] =
	"Usage: skein cluster check-java [OPTION...] SERVER.PROPERTIES\n\n"
	"Says what of a Java broker's configuration, log directories and cluster would stop skein from\n"
	"taking its place, or change something, each with what can be done about it. It only looks: the\n"
	"broker may be running. To be run on the broker's machine, as the user that owns its data.\n\n"
	"Exit code 0: nothing stops it; 1: something does; 5: nothing seen so far, but its ZooKeeper\n"
	"cannot be reached.\n\n"
	"      --override KEY=VALUE  as with skein serve, for instance controller.eligible=false\n"
	"  -o, --output FORMAT       text (default) or ndjson (an object per line)\n"
	"  -h, --help                this text\n\n"
	"Example:\n"
	"  skein cluster check-java /etc/kafka/server.properties\n";

static const char *const kind_names[CHECK_KINDS] = { "stops", "changes", "first" };
static const char *const kind_titles[CHECK_KINDS] = {
	"What stops skein from taking this broker's place:", "What would be different:", "What to do first:",
};

/* ---- what is found ---- */

void check_say(struct check_java *x, enum check_kind kind, const char *about, const char *what, const char *remedy)
{
	struct strbuf *out = &x->texts[kind];

	x->counts[kind]++;
	if (!x->ndjson) {
		strbuf_printf(out, "  %s: %s\n", about, what);
		if (remedy[0] != '\0')
			strbuf_printf(out, "    -> %s\n", remedy);
		return;
	}
	strbuf_printf(out, "{\"kind\":\"%s\",\"about\":\"%s\",\"what\":", kind_names[kind], about);
	show_json_string(out, slice_str(what));
	strbuf_add_str(out, ",\"remedy\":");
	show_json_string(out, slice_str(remedy));
	strbuf_add_str(out, "}\n");
}

void check_say_once(struct check_java *x, enum check_kind kind, const char *about, const char *what, const char *remedy)
{
	struct strbuf text = STRBUF_INIT;

	if (x->ndjson)
		show_json_string(&text, slice_str(remedy));
	else
		strbuf_add_str(&text, remedy);
	if (strstr(strbuf_cstr(&x->texts[kind]), strbuf_cstr(&text)) == NULL)
		check_say(x, kind, about, what, remedy);
	strbuf_fini(&text);
}

/* ---- the file ---- */

static void say_lines(struct check_java *x, enum check_kind kind, const struct strbuf *lines, const char *remedy)
{
	char *text = mem_strdup(strbuf_cstr(lines)), *rest = text;

	for (char *line; (line = strsep(&rest, "\n")) != NULL; ) {
		if (line[0] != '\0')
			check_say(x, kind, "file", line, remedy);
	}
	free(text);
}

static void check_file(struct check_java *x)
{
	const struct broker_config *c = x->file.config;

	say_lines(x, CHECK_STOPS, &x->file.findings.errors, "take the setting out if the cluster can do without what it does; else this broker has to stay");
	say_lines(x, CHECK_STOPS, &x->file.misfit, "mend the file: a Java broker would not start with it either, or it uses what skein does not have");
	say_lines(x, CHECK_CHANGES, &x->file.findings.warnings, "nothing, if it is not missed");
	if (x->file.is_alone && x->file.misfit.len == 0)
		check_say(x, CHECK_STOPS, "file", "zookeeper.connect is not set: with this file skein would be a broker alone, with a state of its own",
		          "give the file of a broker that is a member of a ZooKeeper cluster; for one of KRaft there is no way");
	if (c->broker_id < 0)
		check_say(x, CHECK_CHANGES, "file", "broker.id is not set: the broker takes that of its directories (meta.properties)", "set broker.id, so that the file says who it is");
}

/* ---- the verb ---- */

static int show(struct check_java *x, int code)
{
	int stops = x->counts[CHECK_STOPS];

	for (int kind = 0; kind < CHECK_KINDS; kind++) {
		if (x->counts[kind] == 0)
			continue;
		if (!x->ndjson)
			printf("%s\n", kind_titles[kind]);
		fwrite(x->texts[kind].ptr, 1, x->texts[kind].len, stdout);
		if (!x->ndjson)
			putchar('\n');
	}
	if (!x->ndjson && stops > 0)
		printf("broker %d cannot be replaced yet: %d reason%s above\n", x->broker_id, stops, stops == 1 ? "" : "s");
	else if (!x->ndjson && !x->is_seen)
		printf("nothing in the file and the directories stops skein; the cluster could not be asked\n");
	else if (!x->ndjson)
		printf("nothing stops skein from taking the place of broker %d\n", x->broker_id);
	if (!tool_flush())
		return EXIT_FAILED;
	return stops > 0 ? EXIT_FAILED : code;
}

static int check(struct check_java *x)
{
	int code = EXIT_OK;

	x->broker_id = x->file.config->broker_id;
	x->was_clean = true;
	check_file(x);
	check_directories(x);
	if (!x->file.is_alone)
		code = check_cluster(x);
	return show(x, code);
}

int tool_check_java(int argc, char **argv)
{
	static const struct broker_file_verb verb = { .name = "cluster check-java", .help = help };
	struct check_java x = { .broker_id = -1 };
	struct broker_file_options o;
	int code = broker_file_arguments(&x.file, &o, &verb, argc, argv);

	if (code != EXIT_OK)
		return code == -1 ? EXIT_OK : code;
	x.ndjson = o.ndjson;
	code = check(&x);
	broker_file_fini(&x.file);
	for (int kind = 0; kind < CHECK_KINDS; kind++)
		strbuf_fini(&x.texts[kind]);
	free(x.replicas);
	return code;
}
