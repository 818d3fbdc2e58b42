#include "broker_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static int parse(struct broker_file *f, const char *path, char *const *overrides, int override_count)
{
	struct strbuf why = STRBUF_INIT;
	char *text;
	size_t len;
	enum err e = os_read_file(os_real(), path, CONFIG_FILE_BYTES_MAX, &text, &len);

	if (e != OK) {
		tool_say("cannot read %s: %s", path, err_text(e));
		return e == ERR_NOT_FOUND ? EXIT_NOT_FOUND : e == ERR_ACCESS ? EXIT_DENIED : EXIT_FAILED;
	}
	int code = config_file_parse(&f->set, path, slice_of(text, len), &why) ? EXIT_OK : EXIT_FAILED;
	free(text);
	for (int i = 0; i < override_count && code == EXIT_OK; i++)
		code = config_override_parse(&f->set, overrides[i], &why) ? EXIT_OK : EXIT_USAGE;
	if (code != EXIT_OK)
		tool_say("%s", strbuf_cstr(&why));
	strbuf_fini(&why);
	return code;
}

/* Whether a configuration comes of these entries; then it is the one. */
static bool try_entries(struct broker_file *f, const struct config_set *few)
{
	struct config_layers layers = { .at = { [CONFIG_LEVEL_FIXED] = few } };
	struct broker_config *next;
	struct strbuf why = STRBUF_INIT;
	bool fits = broker_config_create(&next, &layers, &why);

	strbuf_fini(&why);
	if (!fits)
		return false;
	if (f->config != NULL)
		broker_config_unref(&f->config);
	f->config = next;
	return true;
}

/* Null: none, which a broker alone may not have. */
static bool try_id(struct broker_file *f, struct config_set *few, struct slice id)
{
	static const char *const names[] = { "broker.id", "node.id" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		config_set_remove(few, slice_str(names[i]));
		if (!slice_is_null(id))
			config_set_put(few, slice_str(names[i]), id, (struct config_place){ .origin = CONFIG_FROM_PROFILE });
	}
	return try_entries(f, few);
}

/* What concerns identity, directories and store, as far as each is good: no listeners, no protocols. It begins with a broker alone. */
static void make_without_misfit(struct broker_file *f)
{
	static const char *const names[] = { "zookeeper.connect", "log.dir", "log.dirs", "zookeeper.session.timeout.ms", "zookeeper.connection.timeout.ms", "reserved.broker.max.id",
	                                     "broker.id.generation.enable" };
	struct config_set few;

	config_set_init(&few);
	bool is_good = try_id(f, &few, SLICE_LIT("0"));
	ASSERT(is_good);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct config_entry *e = config_set_find(&f->set, slice_str(names[i]));

		if (e == NULL)
			continue;
		config_set_put(&few, e->name, e->text, e->place);
		if (!try_entries(f, &few))
			config_set_remove(&few, slice_str(names[i]));
	}
	struct slice id = config_set_get(&f->set, SLICE_LIT("broker.id"));
	if (slice_is_null(id) || !try_id(f, &few, id))
		(void)try_id(f, &few, SLICE_NULL);
	config_set_fini(&few);
}

/* overrides: texts "key=value". EXIT_OK, or an exit code after saying why. */
static int read_file(struct broker_file *f, const char *path, char *const *overrides, int override_count)
{
	struct config_env env = { .home = "/nowhere" };		/* a broker with ZooKeeper does not derive its directory from it */
	struct config_layers layers = { .at = { [CONFIG_LEVEL_FIXED] = &f->set } };
	struct strbuf why = STRBUF_INIT;

	*f = (struct broker_file){ .findings = { .errors = STRBUF_INIT, .warnings = STRBUF_INIT }, .misfit = STRBUF_INIT };
	config_set_init(&f->set);
	int code = parse(f, path, overrides, override_count);
	if (code != EXIT_OK) {
		broker_file_fini(f);
		return code;
	}
	bool has_dir = config_preset(&f->set, &env, &why);
	ASSERT(has_dir);
	strbuf_fini(&why);
	config_check(&f->set, &f->findings);
	if (!broker_config_create(&f->config, &layers, &f->misfit))
		make_without_misfit(f);
	f->is_alone = f->config->is_alone;
	return EXIT_OK;
}

void broker_file_fini(struct broker_file *f)
{
	if (f->config != NULL)
		broker_config_unref(&f->config);
	config_findings_fini(&f->findings);
	strbuf_fini(&f->misfit);
	config_set_fini(&f->set);
}

int broker_file_arguments(struct broker_file *f, struct broker_file_options *o, const struct broker_file_verb *verb, int argc, char **argv)
{
	enum { OPT_OVERRIDE = 256, OPT_EXECUTE };
	static const struct option options[] = {
		{ "override", required_argument, NULL, OPT_OVERRIDE }, { "output", required_argument, NULL, 'o' }, { "help", no_argument, NULL, 'h' },
		{ "execute", no_argument, NULL, OPT_EXECUTE }, { 0 } };
	static const struct option without_execute[] = {
		{ "override", required_argument, NULL, OPT_OVERRIDE }, { "output", required_argument, NULL, 'o' }, { "help", no_argument, NULL, 'h' }, { 0 } };
	char *overrides[64];
	int count = 0, c;

	*o = (struct broker_file_options){ .executes = false };
	while ((c = getopt_long(argc, argv, "o:h", verb->has_execute ? options : without_execute, NULL)) != -1) {
		switch (c) {
		case OPT_OVERRIDE:
			if (count == (int)ARRAY_LEN(overrides))
				return tool_usage(verb->name, "more than %d overrides", count);
			overrides[count++] = optarg;
			break;
		case OPT_EXECUTE: o->executes = true; break;
		case 'o':
			o->ndjson = strcmp(optarg, "ndjson") == 0;
			if (!o->ndjson && strcmp(optarg, "text") != 0)
				return tool_usage(verb->name, "--output \"%s\": text or ndjson", optarg);
			break;
		case 'h': fputs(verb->help, stdout); return -1;
		default: return tool_usage_told(verb->name);
		}
	}
	if (optind != argc - 1)
		return tool_usage(verb->name, "it takes one file");
	return read_file(f, argv[optind], overrides, count);
}
