/*
 * server.properties, the command line, and what is made of them before anything else runs.
 *
 *   config_file_parse        each file, then
 *   config_override_parse    each --override, then
 *   config_preset            adds what follows from what is set, then
 *   config_check             judges every entry: warnings and what forbids the start.
 */
#ifndef SKEIN_CONFIG_FILE_H
#define SKEIN_CONFIG_FILE_H

#include "base/config_set.h"

#define CONFIG_FILE_BYTES_MAX (1 << 20)

/*
 * Java's properties format: key=value, key:value or key value; # and ! begin comments; a backslash at the end joins lines;
 * \t \n \f \r \uXXXX. Bytes above 127 stay as they are (UTF-8), unlike in Java. name stays borrowed by the entries.
 * false: why says what is wrong in which line; entries before it are in the set.
 */
bool config_file_parse(struct config_set *set, const char *name, struct slice text, struct strbuf *why) MUST_CHECK;

/* "key=value"; false: no '=' or no key. */
bool config_override_parse(struct config_set *set, const char *text, struct strbuf *why) MUST_CHECK;

struct config_env {			/* environment variables; NULL: not set */
	const char *xdg_data_home, *home;
};

/*
 * broker.id and node.id stand for each other. Without zookeeper.connect, or with an empty one, the broker is alone, and what is not set gets the
 * values of the lone-broker profile: broker.id 0, loopback listener, data in the user's data directory, internal topics
 * with one replica, no initial rebalance delay. DescribeConfigs shows them as static configs, as if the file said so: a
 * default is a fact about Kafka that tools compare with. false: no directory for the data can be derived.
 */
bool config_preset(struct config_set *set, const struct config_env *env, struct strbuf *why) MUST_CHECK;

struct config_findings {		/* a line each, without line end; STRBUF_INIT at first */
	struct strbuf errors, warnings;
	int           error_count, warning_count;
};

/* Unknown names, bad values, unsupported configs. Values of passwords are never printed. */
void config_check(const struct config_set *set, struct config_findings *out);
/* Whether ignoring what the entry says would make the broker more open, less durable or something else. Of unknown names, those that are about security; and values that stand elsewhere. */
bool config_is_refused(const struct config_entry *e);
void config_findings_fini(struct config_findings *f);

#endif
