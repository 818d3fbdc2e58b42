#include "tool.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/nearest.h"
#include "client/admin.h"

#define TOPIC_TIMEOUT_MS 15000
#define NEAR_TIMEOUT_MS  5000

/* ---- errors ---- */

void tool_say(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);		/* on a terminal both come in order */
	fputs("skein: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

bool tool_flush(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	if (errno != EPIPE)	/* who closes the pipe has read enough */
		fprintf(stderr, "skein: cannot write the output: %s\n", strerror(errno));
	return false;
}

int tool_exit_code(const struct client_error *error)
{
	switch ((int)error->err) {	/* int: what is not named here has failed */
	case OK:              return EXIT_OK;
	case ERR_NOT_FOUND:   return EXIT_NOT_FOUND;
	case ERR_ACCESS:      return EXIT_DENIED;
	case ERR_UNREACHABLE:
	case ERR_REFUSED:
	case ERR_CLOSED:      return EXIT_UNREACHABLE;
	case ERR_TIMEOUT:     return EXIT_TIMED_OUT;
	case ERR_CORRUPT:     return EXIT_DAMAGE;
	default:              return EXIT_FAILED;
	}
}

int tool_fail(const struct client_error *error)
{
	tool_say("%s", error->text);
	return tool_exit_code(error);
}

int tool_topic_fail(struct slice topic, int16_t code)
{
	struct client_error error;
	char subject[300];

	snprintf(subject, sizeof(subject), "topic "SLICE_FMT, (int)MIN(topic.len, 250u), topic.ptr);
	client_error_set_kafka(&error, code, subject,
			       code == UNKNOWN_TOPIC_OR_PARTITION ? SLICE_LIT("there is none of this name") : SLICE_NULL);
	return tool_fail(&error);
}

int tool_both(int code, int next)
{
	return code == EXIT_OK || code == next ? next : next == EXIT_OK ? code : EXIT_FAILED;
}

int tool_sum_up(int done, int code)
{
	return code != EXIT_OK && done > 0 ? EXIT_PARTIAL : code;
}

bool tool_confirm(bool yes, const char *question, const char *what)
{
	char answer[8];

	if (yes)
		return true;
	if (!isatty(0)) {
		tool_say("%s; without a terminal to ask at it needs --yes", what);
		return false;
	}
	if (*tool_profile_name() != '\0')
		fprintf(stderr, "Profile %s, brokers %s.\n", tool_profile_name(), tool_bootstrap());
	fprintf(stderr, "%s [y/N] ", question);
	return fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

int tool_usage(const char *verb, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "skein %s: ", verb);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return tool_usage_told(verb);
}

int tool_usage_told(const char *verb)
{
	fprintf(stderr, "Try: skein %s --help\n", verb);
	return EXIT_USAGE;
}

/* ---- changes ---- */

#define SAY_LATE_S 3

static void on_alarm(int number UNUSED)
{
	static const char text[] = "skein: no answer yet; waiting 30 seconds at most\n";
	int was = errno;

	if (write(2, text, sizeof(text) - 1) < 0)
		errno = 0;	/* nobody reads it */
	errno = was;
}

void tool_change_begin(void)
{
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };

	_Static_assert(TOOL_CHANGE_MS == 30000, "the texts say so");
	sigaction(SIGALRM, &action, NULL);
	alarm(SAY_LATE_S);
}

void tool_change_end(void)
{
	alarm(0);
}

/* ---- topics ---- */

int tool_near_topic(struct client *c, struct slice name, int code)
{
	struct client_call *answer;
	const struct metadata_response *r;
	struct client_error error;
	struct nearest near;

	if (code != EXIT_NOT_FOUND || admin_describe_topics(c, NULL, 0, NEAR_TIMEOUT_MS, &answer, &r, &error) != OK)
		return code;
	nearest_init(&near, name);
	for (int32_t i = 0; i < r->topics_count; i++)
		nearest_offer(&near, r->topics[i].name);
	if (!slice_is_null(near.name) && !slice_eq(near.name, name))
		tool_say("the nearest topic is "SLICE_FMT, SLICE_ARG(near.name));
	admin_answer_destroy(&answer);
	return code;
}

const struct client_topic *tool_topic_info(struct client *c, const char *name, int *code)
{
	const struct client_topic *t = client_topic(c, slice_str(name));
	mono_ms deadline = os_mono_ms(os_real()) + TOPIC_TIMEOUT_MS;
	struct client_error error;
	char subject[300];

	while (!t->is_known || t->error == LEADER_NOT_AVAILABLE) {
		mono_ms now = os_mono_ms(os_real());
		if (now >= deadline || tool_is_stopped()) {
			tool_say("topic %s: the cluster does not answer; %s", name, client_last_error(c)->text);
			*code = EXIT_TIMED_OUT;
			return NULL;
		}
		if (t->is_known)
			client_topic_refresh(c);
		client_step(c, deadline - now);
	}
	if (t->error == NONE)
		return t;
	snprintf(subject, sizeof(subject), "topic %s", name);
	client_error_set_kafka(&error, t->error, subject, SLICE_NULL);
	if (t->error == UNKNOWN_TOPIC_OR_PARTITION)
		client_error_set(&error, ERR_NOT_FOUND, "there is no topic %s (to make it: skein topic create %s)", name, name);
	*code = tool_near_topic(c, slice_str(name), tool_fail(&error));
	return NULL;
}

/* ---- signals ---- */

static volatile sig_atomic_t is_stopped;
static struct client *volatile woken;

static void on_signal(int number UNUSED)
{
	is_stopped = 1;
	if (woken != NULL)
		client_wake(woken);
}

void tool_catch_signals(struct client *c)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND }, hup;

	woken = c;
	if (c == NULL)
		return;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (sigaction(SIGHUP, NULL, &hup) == 0 && hup.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &action, NULL);
}

bool tool_is_stopped(void)
{
	return is_stopped != 0;
}
