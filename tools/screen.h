/*
 * The whole terminal for a live view, by the sequences that every terminal of the last decades knows: no library, no terminal data base.
 *
 * There is one screen per process. From screen_open to screen_close nothing else may be written to the terminal. It is put back as it was at every end:
 * screen_close, exit, SIGINT, SIGTERM, SIGHUP, a stop by Ctrl-Z (and taken again when it goes on), and a crash.
 */
#ifndef SKEIN_TOOL_SCREEN_H
#define SKEIN_TOOL_SCREEN_H

#include "base/strbuf.h"

/* Keys beside the characters, which are themselves. */
enum screen_key {
	KEY_NONE = -1,		/* more bytes are needed */
	KEY_ESCAPE = 27, KEY_BACKSPACE = 127,
	KEY_UP = 256, KEY_DOWN, KEY_LEFT, KEY_RIGHT, KEY_PAGE_UP, KEY_PAGE_DOWN, KEY_HOME, KEY_END, KEY_BACK_TAB, KEY_OTHER,
};

/* False after saying why: stdin and stdout are no terminal, or one that cannot move its cursor. wake: called by signal handlers, with arg. */
bool screen_open(void (*wake)(void *arg), void *arg) MUST_CHECK;
void screen_close(void);

bool screen_is_ended(void);		/* a signal wants the process to end */
bool screen_was_resized(void);		/* since the last call; or it was taken again */
void screen_size(int *rows, int *columns);

/* Draws rows lines, each ending with a newline and none longer than the screen. False: the terminal is gone. */
bool screen_draw(const struct strbuf *lines) MUST_CHECK;
/* What was typed, appended; without waiting. False: the terminal is gone. */
bool screen_read(struct strbuf *typed) MUST_CHECK;

/* Takes the next key off the bytes: *used. is_all: no more are on their way, so an escape is one. Pure. */
int screen_key(const char *bytes, size_t len, bool is_all, size_t *used);

#endif
