/*
 * The command line and the properties file of skein serve. Everything that is wrong is said at once, with file, line, key, value and what is allowed.
 */
#include "broker/serve_config.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_value.h"
#include "base/log.h"

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

const char *serve_config_usage(void)
{
	return usage;
}

static void add_line(struct strbuf *lines, const char *format, ...) PRINTF(2, 3);
static void add_line(struct strbuf *lines, const char *format, ...)
{
	va_list ap;

	if (lines->len > 0)
		strbuf_add_char(lines, '\n');
	va_start(ap, format);
	strbuf_vprintf(lines, format, ap);
	va_end(ap);
}

static int usage_error(struct serve_config *c, const char *what, const char *arg)
{
	add_line(&c->errors, "%s%s", what, arg);
	c->is_misused = true;
	return 2;
}

static int read_file(struct serve_config *c, struct os *os, const char *path)
{
	struct strbuf why = STRBUF_INIT;
	char *text;
	size_t len;
	enum err e = os_read_file(os, path, CONFIG_FILE_BYTES_MAX, &text, &len);

	if (e != OK) {
		add_line(&c->errors, "cannot read %s: %s", path, e == ERR_UNSUPPORTED ? "it is not a file" : err_text(e));
		return 2;
	}
	bool ok = config_file_parse(&c->set, path, slice_of(text, len), &why);
	if (!ok)
		add_line(&c->errors, "%s", strbuf_cstr(&why));
	free(text);
	strbuf_fini(&why);
	return ok ? 0 : 2;
}

static int read_arguments(struct serve_config *c, struct os *os, int argc, char **argv)
{
	struct strbuf why = STRBUF_INIT;
	bool has_file = false;
	int code = 0;

	/* the file first, whatever its place: overrides are stronger */
	for (int i = 1; i < argc && code == 0; i++) {
		if (strcmp(argv[i], "--override") == 0) {
			i++;
		} else if (argv[i][0] != '-') {
			code = has_file ? usage_error(c, "more than one file: ", argv[i]) : read_file(c, os, argv[i]);
			has_file = true;
		}
	}
	for (int i = 1; i < argc && code == 0; i++) {
		if (strcmp(argv[i], "--override") == 0) {
			if (++i == argc) {
				code = usage_error(c, "--override needs key=value", "");
			} else if (!config_override_parse(&c->set, argv[i], &why)) {
				add_line(&c->errors, "%s", strbuf_cstr(&why));
				code = 2;
			}
		} else if (strcmp(argv[i], "--check-config") == 0) {
			c->is_check_only = true;
		} else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			c->is_help = true;
		} else if (argv[i][0] == '-') {
			code = usage_error(c, "unknown option ", argv[i]);
		}
	}
	strbuf_fini(&why);
	return code;
}

static void add_text(struct strbuf *lines, const struct strbuf *text)
{
	size_t len = text->len;

	while (len > 0 && text->ptr[len - 1] == '\n')
		len--;
	if (len > 0)
		add_line(lines, "%.*s", (int)len, text->ptr);
}

static int judge(struct serve_config *c)
{
	struct config_findings findings = { .errors = STRBUF_INIT, .warnings = STRBUF_INIT };
	struct config_layers layers = { .at = { [CONFIG_LEVEL_FIXED] = &c->set } };
	struct strbuf why = STRBUF_INIT;
	int code = 0;

	config_check(&c->set, &findings);
	add_text(&c->warnings, &findings.warnings);
	add_text(&c->errors, &findings.errors);
	if (findings.error_count > 0) {
		code = 2;
	} else if (!broker_config_create(&c->broker, &layers, &why)) {
		add_text(&c->errors, &why);
		code = 2;
	}
	config_findings_fini(&findings);
	strbuf_fini(&why);
	return code;
}

int serve_config_read(struct serve_config *c, struct os *os, int argc, char **argv)
{
	char xdg[512], home[512];
	struct strbuf why = STRBUF_INIT;
	struct config_env env = {
		.xdg_data_home = os_getenv(os, "XDG_DATA_HOME", xdg, sizeof(xdg)) > 0 ? xdg : NULL,
		.home = os_getenv(os, "HOME", home, sizeof(home)) > 0 ? home : NULL,
	};

	*c = (struct serve_config){ .broker = NULL };
	config_set_init(&c->set);
	int code = read_arguments(c, os, argc, argv);
	if (code != 0 || c->is_help)
		return code;
	if (!config_preset(&c->set, &env, &why)) {
		add_line(&c->errors, "%s", strbuf_cstr(&why));
		strbuf_fini(&why);
		return 2;
	}
	return judge(c);
}

int32_t serve_config_log_format(const struct serve_config *c)
{
	const struct config_def *def = config_find(&config_brokers, slice_str("event.log.format"));
	struct slice text = config_set_get(&c->set, slice_str(def->name));
	struct config_value value = { .integer = 0 };
	struct strbuf why = STRBUF_INIT;

	if (slice_is_null(text) || !config_value_parse(def, text, &value, &why))
		value.integer = LOG_FORMAT_TEXT;
	strbuf_fini(&why);
	return (int32_t)value.integer;
}

bool serve_config_line(struct slice *rest, struct slice *line)
{
	const uint8_t *end = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;

	if (rest->len == 0)
		return false;
	*line = slice_of(rest->ptr, end != NULL ? (size_t)(end - rest->ptr) : rest->len);
	*rest = end != NULL ? slice_of(end + 1, rest->len - line->len - 1) : slice_of(rest->ptr, 0);
	return true;
}

void serve_config_fini(struct serve_config *c)
{
	config_set_fini(&c->set);
	if (c->broker != NULL)
		broker_config_unref(&c->broker);
	strbuf_fini(&c->errors);
	strbuf_fini(&c->warnings);
}
