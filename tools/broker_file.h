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

/* overrides: texts "key=value". EXIT_OK, or an exit code after saying why: it cannot be read. */
int  broker_file_read(struct broker_file *f, const char *path, char *const *overrides, int override_count);
void broker_file_fini(struct broker_file *f);

#endif
