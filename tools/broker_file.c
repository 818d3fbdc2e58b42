#include "broker_file.h"

#include <stdlib.h>

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

/* What cannot go wrong together: no listeners, no protocols. */
static void make_without_misfit(struct broker_file *f)
{
	static const char *const names[] = { "broker.id", "node.id", "log.dir", "log.dirs", "zookeeper.connect", "zookeeper.session.timeout.ms", "zookeeper.connection.timeout.ms" };
	struct config_set few;
	struct config_layers layers = { .at = { [CONFIG_LEVEL_FIXED] = &few } };
	struct strbuf why = STRBUF_INIT;

	config_set_init(&few);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct config_entry *e = config_set_find(&f->set, slice_str(names[i]));

		if (e != NULL)
			config_set_put(&few, e->name, e->text, e->place);
	}
	if (!broker_config_create(&f->config, &layers, &why)) {
		for (size_t i = 0; i < ARRAY_LEN(names); i++) {		/* one of these is wrong itself */
			if (strncmp(names[i], "log.", 4) != 0)
				config_set_remove(&few, slice_str(names[i]));
		}
		if (!broker_config_create(&f->config, &layers, &why)) {
			config_set_remove(&few, SLICE_LIT("log.dirs"));
			config_set_remove(&few, SLICE_LIT("log.dir"));
			bool is_default = broker_config_create(&f->config, &layers, &why);
			ASSERT(is_default);
		}
	}
	strbuf_fini(&why);
	config_set_fini(&few);
}

int broker_file_read(struct broker_file *f, const char *path, char *const *overrides, int override_count)
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
