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
};

/* 0: go on; else the exit code (0 with is_help: usage was asked for and printed). Prints what is wrong to stderr. */
int  serve_config_read(struct serve_config *c, struct os *os, int argc, char **argv, bool *is_help);
void serve_config_fini(struct serve_config *c);

#endif
