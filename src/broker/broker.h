/*
 * skein serve: reads the configuration, wires the actors, starts them in order, waits for a signal, and ends them in the opposite order.
 */
#ifndef SKEIN_BROKER_H
#define SKEIN_BROKER_H

/* argv[0] is "serve". Returns the process's exit code: 0 after a clean stop, 1 failed, 2 configuration or usage. */
int broker_main(int argc, char **argv);

#endif
