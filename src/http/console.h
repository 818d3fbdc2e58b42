/*
 * The console: pages for people, served with the metrics, and the JSON that they are made of. It only shows: nothing here changes anything. See README.md.
 *
 * An *inquiry* is one request for JSON. What the picture and published numbers tell is there at once; for groups and messages actors are asked, and the inquiry is
 * done when the last answer is home. Nobody else waits meanwhile.
 * Owner: the http actor.
 */
#ifndef SKEIN_HTTP_CONSOLE_H
#define SKEIN_HTTP_CONSOLE_H

#include "http/metrics.h"

/* A page's file, in the binary: made from src/http/console/ by build-aux/embed. */
struct console_file {
	const char    *path, *type;
	const uint8_t *bytes;
	size_t         len;
};
extern const struct console_file console_files[];
extern const size_t console_file_count;
const struct console_file *console_file(const char *path);	/* NULL: there is none */

struct console_spec {
	struct actor   *actor;		/* who asks, and passes on what comes home */
	struct workers *workers;
	const char     *hosts;		/* list of names, beside addresses and localhost; NULL: none */
	bool            shows_messages;
};

/* What is asked: a path below /api/, and its arguments. */
struct console_request {
	const char *path;
	struct slice (*argument)(const void *from, const char *name);	/* decoded; null: not given */
	const void *from;
};

struct console;
struct inquiry;

struct console *console_create(const struct console_spec *spec);
void            console_destroy(struct console **c);		/* when nothing is out and every inquiry has ended */

/* Whether a page may be shown to who asks this host: an address, localhost, or one of the names. So a name of a stranger's that was made to mean our address shows nothing. */
bool            console_serves(const struct console *c, struct slice host);
bool            console_host_is_fine(struct slice host, struct slice names);

/* w counts during the call and that of console_on_home. NULL: too many are under way. */
struct inquiry *console_ask(struct console *c, const struct metrics_world *w, const struct console_request *r);
bool            inquiry_is_done(const struct inquiry *q);
unsigned        inquiry_status(const struct inquiry *q);	/* of HTTP */
char           *inquiry_take(struct inquiry *q, size_t *len);	/* the answer: free() it. Once */
void            inquiry_end(struct inquiry **q);
void          **inquiry_waiter(struct inquiry *q);		/* a place for its asker */

bool            console_has_asked(const struct console *c, const struct msg *m);
/* An answer to what console_has_asked. The inquiry, when that was the last one. */
struct inquiry *console_on_home(struct console *c, const struct metrics_world *w, struct msg *m);

#endif
