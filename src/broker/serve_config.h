/*
 * From the command line to a checked configuration.
 */
#ifndef SKEIN_BROKER_SERVE_CONFIG_H
#define SKEIN_BROKER_SERVE_CONFIG_H

#include "base/config_file.h"
#include "base/config.h"
#include "os/os.h"

struct serve_config {
	struct config_set     set;		/* the static layer; file names inside are argv's */
	struct broker_config *broker;		/* without what the store overrides */
	bool                  is_check_only;	/* --check-config */
	bool                  is_help;		/* --help: nothing was read */
	bool                  is_misused;	/* the command line itself is wrong: usage helps */
	struct strbuf         errors, warnings;	/* a sentence a line, without the last line's end */
};

/* 0: go on; else the exit code, and errors say why. To be ended in either case. Waits for nothing but a disk. */
int  serve_config_read(struct serve_config *c, struct os *os, int argc, char **argv);
/* event.log.format as far as it is known, for what is wrong with the configuration itself. */
int32_t serve_config_log_format(const struct serve_config *c);
const char *serve_config_usage(void);
/* Takes the next line off errors or warnings. */
bool serve_config_line(struct slice *rest, struct slice *line);
void serve_config_fini(struct serve_config *c);

#endif
