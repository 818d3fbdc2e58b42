/*
 * The command line and the properties file of skein serve. Everything that is wrong is said at once, with file, line, key, value and what is allowed.
 */
#include "broker/serve_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: skein serve [server.properties] [--override key=value]... [--check-config]\n"
	"\n"
	"Runs a broker. Without a file it is a complete single broker on 127.0.0.1:9092 with its data in $XDG_DATA_HOME/skein.\n"
	"The file has Kafka's names and form; an existing broker's server.properties can be used.\n"
	"\n"
	"  --override key=value   sets one value, stronger than the file; may be given several times\n"
	"  --check-config         says what is wrong with the configuration and ends\n"
	"\n"
	"  skein serve --override log.dirs=/tmp/data --override listeners=PLAINTEXT://127.0.0.1:19092\n";

static int usage_error(const char *what, const char *arg)
{
	fprintf(stderr, "skein serve: %s%s\n\n%s", what, arg, usage);
	return 2;
}

static int read_file(struct serve_config *c, struct os *os, const char *path)
{
	struct strbuf why = STRBUF_INIT;
	char *text;
	size_t len;
	enum err e = os_read_file(os, path, CONFIG_FILE_BYTES_MAX, &text, &len);

	if (e != OK) {
		fprintf(stderr, "skein serve: cannot read %s: %s\n", path, err_text(e));
		return 2;
	}
	bool ok = config_file_parse(&c->set, path, slice_of(text, len), &why);
	if (!ok)
		fprintf(stderr, "skein serve: %s\n", strbuf_cstr(&why));
	free(text);
	strbuf_fini(&why);
	return ok ? 0 : 2;
}

static int read_arguments(struct serve_config *c, struct os *os, int argc, char **argv, bool *is_help)
{
	struct strbuf why = STRBUF_INIT;
	bool has_file = false;
	int code = 0;

	/* the file first, whatever its place: overrides are stronger */
	for (int i = 1; i < argc && code == 0; i++) {
		if (strcmp(argv[i], "--override") == 0) {
			i++;
		} else if (argv[i][0] != '-') {
			code = has_file ? usage_error("more than one file: ", argv[i]) : read_file(c, os, argv[i]);
			has_file = true;
		}
	}
	for (int i = 1; i < argc && code == 0; i++) {
		if (strcmp(argv[i], "--override") == 0) {
			if (++i == argc) {
				code = usage_error("--override needs key=value", "");
			} else if (!config_override_parse(&c->set, argv[i], &why)) {
				fprintf(stderr, "skein serve: %s\n", strbuf_cstr(&why));
				code = 2;
			}
		} else if (strcmp(argv[i], "--check-config") == 0) {
			c->is_check_only = true;
		} else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			*is_help = true;
		} else if (argv[i][0] == '-') {
			code = usage_error("unknown option ", argv[i]);
		}
	}
	strbuf_fini(&why);
	return code;
}

static void print_lines(const char *label, const struct strbuf *lines)
{
	struct slice rest = strbuf_slice(lines);

	while (rest.len > 0) {
		const uint8_t *end = memchr(rest.ptr, '\n', rest.len);
		size_t len = end != NULL ? (size_t)(end - rest.ptr) : rest.len;

		fprintf(stderr, "skein serve: %s%.*s\n", label, (int)len, (const char *)rest.ptr);
		rest = slice_of(rest.ptr + len, rest.len - len);
		if (rest.len > 0)
			rest = slice_of(rest.ptr + 1, rest.len - 1);
	}
}

static int judge(struct serve_config *c)
{
	struct config_findings findings = { .errors = STRBUF_INIT, .warnings = STRBUF_INIT };
	struct config_layers layers = { .at = { [CONFIG_LEVEL_FIXED] = &c->set } };
	struct strbuf why = STRBUF_INIT;
	int code = 0;

	config_check(&c->set, &findings);
	print_lines("warning: ", &findings.warnings);
	print_lines("", &findings.errors);
	if (findings.error_count > 0) {
		code = 2;
	} else if (!broker_config_create(&c->broker, &layers, &why)) {
		print_lines("", &why);
		code = 2;
	}
	config_findings_fini(&findings);
	strbuf_fini(&why);
	return code;
}

int serve_config_read(struct serve_config *c, struct os *os, int argc, char **argv, bool *is_help)
{
	char xdg[512], home[512];
	struct strbuf why = STRBUF_INIT;
	struct config_env env = {
		.xdg_data_home = os_getenv(os, "XDG_DATA_HOME", xdg, sizeof(xdg)) > 0 ? xdg : NULL,
		.home = os_getenv(os, "HOME", home, sizeof(home)) > 0 ? home : NULL,
	};

	*c = (struct serve_config){ .broker = NULL };
	config_set_init(&c->set);
	int code = read_arguments(c, os, argc, argv, is_help);
	if (code == 0 && *is_help)
		fputs(usage, stdout);
	if (code != 0 || *is_help)
		return code;
	if (!config_preset(&c->set, &env, &why)) {
		fprintf(stderr, "skein serve: %s\n", strbuf_cstr(&why));
		strbuf_fini(&why);
		return 2;
	}
	return judge(c);
}

void serve_config_fini(struct serve_config *c)
{
	config_set_fini(&c->set);
	if (c->broker != NULL)
		broker_config_unref(&c->broker);
}
