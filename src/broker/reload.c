#include "broker/reload.h"

#include "base/config_table.h"
#include "broker/serve_config.h"

#define LEVELS "event.log.levels"

/* Names of `a` whose text is another in `b`, or that are not there; with only_missing only the latter. A name that no config has was told as such already. */
static void tell_changed(const struct log_source *log, const struct config_set *a, const struct config_set *b, bool only_missing)
{
	uint32_t at = 0;

	for (const struct config_entry *e; (e = config_set_next(a, &at)) != NULL; ) {
		struct slice other = config_set_get(b, e->name);

		if (slice_eq_str(e->name, LEVELS) || config_find_base(e->name) == NULL || (slice_is_null(other) ? false : only_missing || slice_eq(other, e->text)))
			continue;
		LOG_WARN(log, config_needs_restart, KV_SLICE("config", e->name));
	}
}

static void tell_refused(const struct log_source *log, const struct strbuf *errors)
{
	struct slice rest = strbuf_slice(errors), line;

	while (serve_config_line(&rest, &line))
		LOG_WARN(log, reload_refused, KV_SLICE("problem", line));
}

bool reload_static(struct os *os, const struct log_source *log, const struct config_set *running, int argc, char **argv)
{
	struct serve_config next;
	bool is_valid = serve_config_read(&next, os, argc, argv) == 0;

	if (is_valid) {
		tell_changed(log, &next.set, running, false);
		tell_changed(log, running, &next.set, true);
		log_levels_set(slice_str(next.broker->event_log_levels));
	} else {
		tell_refused(log, &next.errors);
	}
	serve_config_fini(&next);
	return is_valid;
}
