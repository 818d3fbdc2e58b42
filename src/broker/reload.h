/*
 * SIGHUP: file and command line are read again. What may change while the broker runs takes effect, the rest is named in the log.
 * Owner: main.
 */
#ifndef SKEIN_BROKER_RELOAD_H
#define SKEIN_BROKER_RELOAD_H

#include "base/config_set.h"
#include "base/log.h"
#include "os/os.h"

/* running: what the broker was started with. False: a file that is not valid any more changes nothing, and was told. */
bool reload_static(struct os *os, const struct log_source *log, const struct config_set *running, int argc, char **argv);

#endif
