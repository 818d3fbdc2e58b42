/*
 * What restores the terminal is called by signal handlers as well, so it uses only what they may use: tcsetattr, write and poll.
 */
#include "screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "tool.h"

/* The other screen, no cursor, no wrapping at the end of a line; and back. */
static const char enter[] = "\033[?1049h\033[?25l\033[?7l\033[H\033[2J", leave[] = "\033[0m\033[?7h\033[?25h\033[?1049l";

static struct termios before;
static volatile sig_atomic_t is_open, is_ended, is_resized;
static void (*wake)(void *arg);
static void *wake_arg;

/* ---- taking and giving back ---- */

/* A terminal that reads nothing for PUT_MS while somebody has made it non-blocking is given up. */
#define PUT_MS 1000

static void put(const char *text, size_t len)
{
	struct pollfd writable = { .fd = STDOUT_FILENO, .events = POLLOUT };
	int was = errno;

	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, text, len);

		if (n < 0 && errno != EINTR && (errno != EAGAIN || poll(&writable, 1, PUT_MS) == 0))
			break;
		text += MAX(n, 0);
		len -= (size_t)MAX(n, 0);
	}
	errno = was;
}

static void take(void)
{
	struct termios raw = before;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);	/* ISIG stays: Ctrl-C and Ctrl-Z are signals */
	raw.c_iflag &= ~(tcflag_t)(ICRNL | IXON);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	put(enter, sizeof(enter) - 1);
}

static void give_back(void)
{
	put(leave, sizeof(leave) - 1);
	tcsetattr(STDIN_FILENO, TCSANOW, &before);	/* not TCSADRAIN: a terminal that does not read would hold up the end */
}

static void wake_nobody(void *arg UNUSED)
{
}

void screen_close(void)
{
	if (!is_open)
		return;
	is_open = 0;
	wake = wake_nobody;	/* signals go on coming */
	give_back();
}

/* ---- signals ---- */

static void die_of(int number)
{
	signal(number, SIG_DFL);
	raise(number);		/* comes when the handler returns */
}

/* The second one does not wait for anybody. */
static void on_end(int number)
{
	if (is_ended) {
		screen_close();
		die_of(number);
	}
	is_ended = 1;
	wake(wake_arg);
}

static void on_crash(int number)
{
	screen_close();
	die_of(number);
}

static void on_resize(int number UNUSED)
{
	is_resized = 1;
	wake(wake_arg);
}

static void handle(int number, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };

	sigaction(number, &action, NULL);
}

static void on_stop(int number)
{
	sigset_t this_one, was;
	int error = errno;

	give_back();
	signal(number, SIG_DFL);
	sigemptyset(&this_one);
	sigaddset(&this_one, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &this_one, &was);	/* stops here, until it is continued */
	sigprocmask(SIG_SETMASK, &was, NULL);
	handle(number, on_stop);
	if (is_open)
		take();
	is_resized = 1;
	wake(wake_arg);
	errno = error;
}

bool screen_open(void (*waker)(void *arg), void *arg)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP }, crashes[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGQUIT };
	const char *term = getenv("TERM");

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before) != 0) {
		tool_say("it needs a terminal; --once prints one look without");
		return false;
	}
	if (term == NULL || *term == '\0' || strcmp(term, "dumb") == 0) {
		tool_say("this terminal cannot be drawn on (TERM=%s); --once prints one look", term != NULL ? term : "");
		return false;
	}
	wake = waker;
	wake_arg = arg;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		handle(ends[i], on_end);
	for (size_t i = 0; i < ARRAY_LEN(crashes); i++)
		handle(crashes[i], on_crash);
	handle(SIGTSTP, on_stop);
	handle(SIGWINCH, on_resize);
	atexit(screen_close);
	is_open = 1;
	take();
	return true;
}

bool screen_is_ended(void)
{
	return is_ended != 0;
}

bool screen_was_resized(void)
{
	if (is_resized == 0)
		return false;
	is_resized = 0;		/* before the drawing: a signal from here on asks for another one, and none is lost */
	return true;
}

void screen_size(int *rows, int *columns)
{
	struct winsize size = { .ws_col = 0 };
	bool is_told = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;

	*rows = is_told ? size.ws_row : 24;
	*columns = is_told ? size.ws_col : 80;
}

/* ---- drawing ---- */

static bool write_all(const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, text, len);

		if (n < 0 && errno == EAGAIN) {		/* somebody has made the terminal non-blocking */
			struct pollfd writable = { .fd = STDOUT_FILENO, .events = POLLOUT };

			(void)poll(&writable, 1, 100);
			if (is_ended)
				return true;
		} else if (n < 0 && errno != EINTR) {
			return false;
		} else {
			text += MAX(n, 0);
			len -= (size_t)MAX(n, 0);
		}
	}
	return true;
}

/* Line by line, each cleared just before it is written: clearing what is behind it would take the last cell along where the line fills the screen. */
bool screen_draw(const struct strbuf *lines)
{
	struct strbuf out = STRBUF_INIT;
	const char *p = strbuf_cstr(lines), *end;
	bool ok;

	strbuf_add_str(&out, "\033[H");
	for (; (end = strchr(p, '\n')) != NULL; p = end + 1) {
		strbuf_add_str(&out, "\033[K");
		strbuf_add(&out, p, (size_t)(end - p));
		strbuf_add_str(&out, end[1] != '\0' ? "\r\n" : "");		/* a newline in the last one would scroll */
	}
	ok = write_all(out.ptr, out.len);
	strbuf_fini(&out);
	return ok;
}

/* ---- keys ---- */

bool screen_read(struct strbuf *typed)
{
	char bytes[256];
	ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));

	if (n > 0)
		strbuf_add(typed, bytes, (size_t)n);
	return n >= 0 || errno == EINTR || errno == EAGAIN;
}

/* ESC [ numbers letter, ESC O letter */
static int key_of(const char *parameters, size_t len, char last)
{
	static const struct { char last; int key; } letters[] = {
		{ 'A', KEY_UP }, { 'B', KEY_DOWN }, { 'C', KEY_RIGHT }, { 'D', KEY_LEFT }, { 'H', KEY_HOME }, { 'F', KEY_END }, { 'Z', KEY_BACK_TAB },
	}, numbers[] = { { '1', KEY_HOME }, { '4', KEY_END }, { '5', KEY_PAGE_UP }, { '6', KEY_PAGE_DOWN }, { '7', KEY_HOME }, { '8', KEY_END } };

	for (size_t i = 0; last != '~' && i < ARRAY_LEN(letters); i++) {
		if (letters[i].last == last)
			return letters[i].key;
	}
	for (size_t i = 0; last == '~' && len == 1 && i < ARRAY_LEN(numbers); i++) {
		if (numbers[i].last == parameters[0])
			return numbers[i].key;
	}
	return KEY_OTHER;
}

int screen_key(const char *bytes, size_t len, bool is_all, size_t *used)
{
	size_t n = 2;

	*used = 0;
	if (len == 0)
		return KEY_NONE;
	*used = 1;
	if (bytes[0] == '\b')
		return KEY_BACKSPACE;
	if (bytes[0] != KEY_ESCAPE)
		return (uint8_t)bytes[0];
	if (len == 1 || (bytes[1] != '[' && bytes[1] != 'O')) {
		*used = len == 1 && !is_all ? 0 : 1;
		return len == 1 && !is_all ? KEY_NONE : KEY_ESCAPE;
	}
	while (n < len && bytes[n] < 0x40)
		n++;
	if (n == len) {		/* cut off */
		*used = is_all ? len : 0;
		return is_all ? KEY_OTHER : KEY_NONE;
	}
	*used = n + 1;
	return key_of(bytes + 2, n - 2, bytes[n]);
}
