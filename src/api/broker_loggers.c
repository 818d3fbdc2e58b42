#include "api/broker_loggers.h"

#include "base/map.h"

static const struct {
	const char    *name;
	enum log_level level;
} levels[] = {	/* first of each level: the name it is shown with */
	{ "DEBUG", LOG_LEVEL_DEBUG }, { "ERROR", LOG_LEVEL_ERROR }, { "FATAL", LOG_LEVEL_ERROR },
	{ "INFO", LOG_LEVEL_INFO }, { "TRACE", LOG_LEVEL_DEBUG }, { "WARN", LOG_LEVEL_WARN },
};

const char *broker_logger_level(int logger)
{
	enum log_level level = log_logger_level(logger);

	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		if (levels[i].level == level)
			return levels[i].name;
	}
	return NULL;		/* not reached: every level has a name */
}

static bool check_set(const struct config_change *change, struct config_refusal *refusal)
{
	enum log_level level;

	if (log_level_parse(change->value, &level))
		return true;
	refusal->error = INVALID_CONFIG;
	strbuf_printf(&refusal->text, "Cannot set the log level of " SLICE_FMT " to " SLICE_FMT
	              " as it is not a supported log level. Valid log levels are ",
	              SLICE_ARG(change->name), SLICE_ARG(change->value));
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		strbuf_printf(&refusal->text, "%s%s", i > 0 ? ", " : "", levels[i].name);
	return false;
}

static bool check(const struct config_change *change, struct config_refusal *refusal)
{
	int logger = log_logger_find(change->name);

	if (change->op != CONFIG_SET && change->op != CONFIG_DELETE) {
		refusal->error = INVALID_REQUEST;
		if (change->op == CONFIG_APPEND || change->op == CONFIG_SUBTRACT)
			strbuf_printf(&refusal->text,
			              "%s operation is not allowed for the BROKER_LOGGER resource",
			              change->op == CONFIG_APPEND ? "APPEND" : "SUBTRACT");
		else
			strbuf_printf(&refusal->text, "Operation type %d is not known",
			              change->op);
		return false;
	}
	if (change->op == CONFIG_SET && slice_is_null(change->value)) {
		refusal->error = INVALID_REQUEST;
		strbuf_printf(&refusal->text, "Null value not supported for : " SLICE_FMT,
		              SLICE_ARG(change->name));
		return false;
	}
	if (logger < 0) {
		refusal->error = INVALID_CONFIG;
		strbuf_printf(&refusal->text, "Logger " SLICE_FMT " does not exist!",
		              SLICE_ARG(change->name));
		return false;
	}
	if (change->op == CONFIG_DELETE && logger == LOGGER_ROOT) {
		refusal->error = INVALID_REQUEST;
		strbuf_add_str(&refusal->text,
		               "Removing the log level of the root logger is not allowed");
		return false;
	}
	return change->op == CONFIG_DELETE || check_set(change, refusal);
}

static bool check_names(const struct config_change *changes, int32_t n,
                        struct config_refusal *refusal)
{
	struct map seen = MAP_INIT;
	bool ok = true;

	for (int32_t i = 0; ok && i < n; i++)
		ok = map_put(&seen, changes[i].name, &seen) == NULL;
	map_fini(&seen);
	if (!ok) {
		refusal->error = INVALID_REQUEST;
		strbuf_add_str(&refusal->text, "Error due to duplicate config keys");
	}
	return ok;
}

bool broker_loggers_change(const struct config_change *changes, int32_t n, bool validate_only,
                           struct config_refusal *refusal)
{
	if (!check_names(changes, n, refusal))
		return false;
	for (int32_t i = 0; i < n; i++) {
		if (!check(&changes[i], refusal))
			return false;
	}
	for (int32_t i = 0; i < n && !validate_only; i++) {
		enum log_level level;

		if (changes[i].op == CONFIG_SET && log_level_parse(changes[i].value, &level))
			log_logger_set(log_logger_find(changes[i].name), level);
		else
			log_logger_clear(log_logger_find(changes[i].name));
	}
	return true;
}
