/*
 * A broker's server.properties, read by a command that is no broker.
 */
#ifndef SKEIN_TOOL_BROKER_FILE_H
#define SKEIN_TOOL_BROKER_FILE_H

#include "base/config.h"
#include "base/config_file.h"

struct broker_file {
	struct config_set      set;		/* file, overrides, presets */
	struct config_findings findings;	/* what skein serve would say of it */
	struct strbuf          misfit;		/* why what it says does not go together; empty: it does */
	struct broker_config  *config;		/* never NULL; with a misfit: of what concerns identity, directories and store alone */
	bool                   is_alone;	/* it names no ZooKeeper */
};

/* A verb whose argument is such a file, with --override, --output and --help, and --execute where it can do something. */
struct broker_file_verb {
	const char *name, *help;
	bool        has_execute;
};
struct broker_file_options {
	bool ndjson, executes;
};
/* EXIT_OK: the file is read. -1: help was printed. Else an exit code after saying why: wrong usage, or it cannot be read. */
int  broker_file_arguments(struct broker_file *f, struct broker_file_options *o, const struct broker_file_verb *verb, int argc, char **argv);
void broker_file_fini(struct broker_file *f);

#endif
