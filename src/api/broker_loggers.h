/*
 * Levels of the broker's loggers (base/log.h) as the configuration APIs show and set them. Not
 * stored: a restart forgets them.
 *
 * Kafka's names of levels are understood. Ours are fewer, so TRACE is DEBUG, and FATAL is ERROR,
 * which cannot be turned off.
 */
#ifndef SKEIN_API_BROKER_LOGGERS_H
#define SKEIN_API_BROKER_LOGGERS_H

#include "base/config_change.h"
#include "base/log.h"

const char *broker_logger_level(int logger);	/* "INFO": what holds for it */

/*
 * Checks all changes, then makes all (none with validate_only). Only CONFIG_SET and CONFIG_DELETE:
 * back to the root's level.
 */
bool broker_loggers_change(const struct config_change *changes, int32_t n, bool validate_only,
                           struct config_refusal *refusal) MUST_CHECK;

#endif
