/*
 * skein cluster check-java: what of a Java broker's configuration, files and cluster would stop skein from taking its place, or change what its users see. It only looks, so the broker may
 * be running. What stops is judged by the code by which skein serve refuses.
 */
#include "check_java.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/config_value.h"
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

/* Each entry alone, as skein serve judges it: so what it says is known to be about this one. */
static void check_entry(struct check_java *x, const struct config_entry *e)
{
	struct config_findings findings = { .errors = STRBUF_INIT, .warnings = STRBUF_INIT };
	const struct config_def *def = config_find_base(e->name);
	struct config_value value;
	struct strbuf why = STRBUF_INIT;
	struct config_set one;

	config_set_init(&one);
	config_set_put(&one, e->name, e->text, e->place);
	config_check(&one, &findings);
	if (findings.error_count > 0) {
		const char *remedy = check_remedy(e->name);

		if (def != NULL && !config_value_parse(def, e->text, &value, &why))
			remedy = "mend the value: with this one no broker starts";
		check_say(x, CHECK_STOPS, "file", strbuf_cstr(&findings.errors), remedy != NULL ? remedy : "take the setting out, if the cluster can do without what it does; else this broker has to stay");
	}
	if (findings.warning_count > 0)
		check_say(x, CHECK_CHANGES, "file", strbuf_cstr(&findings.warnings), "nothing, if it is not missed");
	strbuf_fini(&why);
	config_findings_fini(&findings);
	config_set_fini(&one);
}

/* What does not go together, where each entry is good: one sentence, which begins with the setting to blame, "FILE:LINE: name=value: ..." */
static void check_misfit(struct check_java *x)
{
	struct slice said = strbuf_slice(&x->file.misfit);
	const struct config_entry *e, *blamed = NULL;
	struct strbuf head = STRBUF_INIT;
	uint32_t at = 0;

	if (said.len == 0 || x->file.findings.error_count > 0)
		return;
	while ((e = config_set_next(&x->file.set, &at)) != NULL && blamed == NULL) {
		strbuf_reset(&head);
		config_place_print(&e->place, &head);
		strbuf_printf(&head, ": " SLICE_FMT "=", SLICE_ARG(e->name));
		if (said.len > head.len && memcmp(said.ptr, head.ptr, head.len) == 0)
			blamed = e;
	}
	const char *remedy = blamed != NULL ? check_remedy(blamed->name) : NULL;
	check_say(x, CHECK_STOPS, "file", strbuf_cstr(&x->file.misfit), remedy != NULL ? remedy : "mend the file: a Java broker would not start with it either, or it uses what skein does not have");
	strbuf_fini(&head);
}

static void check_file(struct check_java *x)
{
	const struct config_entry *e;
	uint32_t at = 0;

	while ((e = config_set_next(&x->file.set, &at)) != NULL)
		check_entry(x, e);
	check_misfit(x);
	if (x->file.is_alone && x->file.misfit.len == 0)
		check_say(x, CHECK_STOPS, "file", "zookeeper.connect is not set: with this file skein would be a broker alone, with a state of its own",
		          "give the file of a broker that is a member of a ZooKeeper cluster; for one of KRaft there is no way");
}

/* Said once the directories have been looked at. */
static void check_id(struct check_java *x)
{
	if (x->file.config->broker_id >= 0 || x->file.misfit.len > 0)
		return;
	if (x->broker_id >= 0)
		check_say(x, CHECK_CHANGES, "file", "broker.id is not set: the broker takes the id of its directories (meta.properties)", "nothing: skein does the same");
	else
		check_say(x, CHECK_STOPS, "file", "neither the file nor a directory says which broker this is: there is none whose place skein could take",
		          "give the file of a broker that has run, on the machine with its log.dirs");
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
	if (!x->ndjson && stops > 0 && x->broker_id >= 0)
		printf("broker %d cannot be replaced yet: %d reason%s above\n", x->broker_id, stops, stops == 1 ? "" : "s");
	else if (!x->ndjson && stops > 0)
		printf("this broker cannot be replaced yet: %d reason%s above\n", stops, stops == 1 ? "" : "s");
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
	check_id(x);
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
