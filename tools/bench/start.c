/*
 * skein bench start and recover: a broker's command, from its execution to the first acknowledged record; with nothing there, or after a kill -9.
 */
#include "bench.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/admin.h"
#include "client/producer.h"

#define ACK_MS      180000	/* within which a broker must have come up */
#define END_MS      60000	/* within which it must have ended */
#define SETTLE_MS   2000	/* before its memory is looked at */
#define LOOK_MS     3000	/* within which another broker would answer */
#define STEP_MS     100
#define VALUE_BYTES 1024
#define TOPIC       "skein-bench-start"

struct starting {
	struct bench    *b;
	pid_t            pid;		/* 0: nothing runs */
	int              status;	/* of the last that ended, as waitpid tells it */
	int              runs;		/* of the command, so far */
	struct histogram times;
	double           memory_kib;	/* the greatest seen */
};

static mono_ns now_ns(void) { return os_mono_ns(os_real()); }

static bool start(struct starting *s)
{
	s->runs++;
	s->pid = fork();
	if (s->pid == 0) {
		int nowhere = open("/dev/null", O_RDWR);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		if (nowhere < 0 || dup2(nowhere, 0) < 0 || dup2(nowhere, 1) < 0 || dup2(nowhere, 2) < 0)
			_exit(126);
		execvp(s->b->command[0], s->b->command);
		_exit(127);
	}
	if (s->pid < 0) {
		s->pid = 0;
		tool_say("fork: %m");
		s->b->code = EXIT_FAILED;
	}
	return s->pid > 0;
}

/* True once it is there no more. */
static bool is_gone(struct starting *s)
{
	if (s->pid != 0 && waitpid(s->pid, &s->status, WNOHANG) == s->pid)
		s->pid = 0;
	return s->pid == 0;
}

/* Says how it ended, before a record was acknowledged. */
static void say_gone(struct starting *s)
{
	bool is_signal = WIFSIGNALED(s->status);

	tool_say("the command has ended %s %d before a record was acknowledged", is_signal ? "by signal" : "with exit code",
		 is_signal ? WTERMSIG(s->status) : WEXITSTATUS(s->status));
	s->b->code = EXIT_UNREACHABLE;
}

static void stop(struct starting *s, int number)
{
	mono_ms deadline = os_mono_ms(os_real()) + END_MS;

	if (s->pid == 0)
		return;
	kill(s->pid, number);
	while (!is_gone(s)) {
		if (os_mono_ms(os_real()) > deadline) {
			tool_say("it did not end within %d s and is killed", END_MS / 1000);
			kill(s->pid, SIGKILL);
			deadline += END_MS;
		}
		os_sleep_ms(os_real(), 1);
	}
}

/* ---- the first record ---- */

/* Whoever answers already would be measured in the place of the command, which cannot have the port. */
static bool is_free(struct starting *s)
{
	struct client_spec spec = tool_client_spec();
	struct client_error error;
	struct client *c = NULL;

	if (client_create(&c, os_real(), &spec, &error) != OK) {
		s->b->code = tool_usage("bench", "%s", error.text);
	} else if (client_connect(c, LOOK_MS, &error) == OK) {
		if (s->runs == 0)
			tool_say("a broker answers at %s already: it, and not the command, would be measured", tool_bootstrap());
		else
			tool_say("a broker answers at %s still, though the command has ended: it must be the broker's own process (in a script: exec)", tool_bootstrap());
		s->b->code = EXIT_FAILED;
	}
	client_destroy(&c);
	return s->b->code == EXIT_OK;
}

static struct client *connect_soon(struct starting *s, mono_ms deadline)
{
	struct client_spec spec = tool_client_spec();
	struct client_error error;
	struct client *c = NULL;

	spec.reconnect_backoff_ms = spec.reconnect_backoff_max_ms = 1;
	spec.retry_backoff_ms = spec.retry_backoff_max_ms = 2;
	if (client_create(&c, os_real(), &spec, &error) != OK) {
		s->b->code = tool_usage("bench", "%s", error.text);
		return NULL;
	}
	while (!client_is_connected(c)) {
		if (tool_is_stopped() || is_gone(s) || os_mono_ms(os_real()) >= deadline) {
			s->b->code = EXIT_UNREACHABLE;
			if (s->pid == 0)
				say_gone(s);
			else
				tool_say("no broker answers; %s", client_last_error(c)->text);
			client_destroy(&c);
			return NULL;
		}
		client_step(c, 1);
	}
	return c;
}

static void on_delivery(void *arg, const struct producer_delivery *d)
{
	struct client_error *error = arg;

	if (d->error->err != OK)
		*error = *d->error;
}

/* `count` records of 1 KiB, one partition after the other, and waits for all of them. False: why is in *error, and in s->b->code. */
static bool write_records(struct starting *s, struct client *c, int64_t count, struct client_error *error)
{
	struct producer_spec spec = PRODUCER_SPEC_INIT;
	struct client_error refused = CLIENT_ERROR_NONE;
	struct producer *p = NULL;
	static uint8_t value[VALUE_BYTES];
	struct producer_record r = {
		.topic = slice_str(TOPIC), .partition = 0, .key = SLICE_NULL, .value = slice_of(value, sizeof(value)), .timestamp = -1,
	};

	spec.acks = 1;
	spec.is_idempotent = false;
	spec.linger_ms = count > 1 ? 5 : 0;
	spec.batch_size = 900000;
	spec.on_delivery = on_delivery;
	spec.arg = &refused;
	enum err e = producer_create(&p, c, &spec, error);
	for (int64_t i = 0; e == OK && i < count && refused.err == OK;) {
		r.partition = (int32_t)(i % s->b->partitions);
		e = producer_send(p, &r, error);
		if (e == ERR_AGAIN) {
			client_step(c, STEP_MS);
			e = is_gone(s) || tool_is_stopped() ? ERR_CLOSED : OK;
		} else {
			i++;
		}
	}
	mono_ms deadline = os_mono_ms(os_real()) + ACK_MS;
	while (e == OK && (e = producer_flush(p, STEP_MS)) == ERR_TIMEOUT && !is_gone(s) && !tool_is_stopped() && os_mono_ms(os_real()) < deadline)
		e = OK;
	if (e == ERR_TIMEOUT)
		client_error_set(error, e, "not acknowledged in time");
	if (e == OK && refused.err != OK)
		*error = refused;
	if (is_gone(s))
		client_error_set(error, ERR_CLOSED, "the command has ended");
	else if (e != OK && tool_is_stopped())
		client_error_set(error, ERR_CLOSED, "interrupted");
	if (is_gone(s) || e != OK || refused.err != OK)
		s->b->code = tool_exit_code(error);
	producer_destroy(&p);
	return s->b->code == EXIT_OK;
}

static void say_failed(struct starting *s, const struct client_error *error)
{
	if (is_gone(s))
		say_gone(s);
	else
		s->b->code = tool_fail(error);
}

/* From the execution to the acknowledgement; the broker runs when it is true. */
static bool start_to_ack(struct starting *s, bool counts)
{
	if (!is_free(s))
		return false;
	mono_ns began = now_ns();
	mono_ms deadline = os_mono_ms(os_real()) + ACK_MS;
	struct client_error error = CLIENT_ERROR_NONE;

	if (!start(s))
		return false;
	struct client *c = connect_soon(s, deadline);
	if (c == NULL)
		return false;
	enum err e = admin_create_topic(c, TOPIC, s->b->partitions, 1, NULL, 0, ACK_MS, &error);
	bool is_there = e == OK || e == ERR_EXISTS, ok = is_there && write_records(s, c, 1, &error);
	/* A broker that has just come back may know later of the topic than its controller does. */
	while (is_there && !ok && s->b->code == EXIT_NOT_FOUND && !tool_is_stopped() && os_mono_ms(os_real()) < deadline) {
		s->b->code = EXIT_OK;
		client_step(c, 50);
		ok = write_records(s, c, 1, &error);
	}
	if (!ok)
		say_failed(s, &error);
	if (ok && counts)
		histogram_add(&s->times, (uint64_t)(now_ns() - began));
	client_destroy(&c);
	return ok;
}

/* Proportional set size; -1: not told. */
static double memory_kib(pid_t pid)
{
	char path[64], line[256];
	double kib = -1;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	FILE *f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL && sscanf(line, "Pss: %lf", &kib) != 1)
		;
	if (f != NULL)
		fclose(f);
	return kib;
}

static void look_at_memory(struct starting *s)
{
	os_sleep_ms(os_real(), SETTLE_MS);
	s->memory_kib = MAX(s->memory_kib, memory_kib(s->pid));
}

static bool fill(struct starting *s)
{
	int64_t records = (int64_t)(s->b->gib * (1 << 30) / VALUE_BYTES);
	struct client *c = connect_soon(s, os_mono_ms(os_real()) + ACK_MS);
	struct client_error error;
	bool ok = c != NULL && (records == 0 || write_records(s, c, records, &error));

	if (c != NULL && !ok)
		say_failed(s, &error);
	client_destroy(&c);
	return ok;
}

static int tell(struct starting *s)
{
	struct bench *b = s->b;

	bench_number(b, "starts", (double)s->times.count, 0);
	bench_times(b, "first_ack_us", &s->times);
	if (s->memory_kib >= 0)
		bench_number(b, "memory_kib", s->memory_kib, 0);
	return bench_tell(b);
}

static int run(struct bench *b, bool recovers)
{
	static struct starting s;	/* static: a histogram lies in it */
	bool ok = true;

	s = (struct starting){ .b = b, .memory_kib = -1 };
	if (b->command == NULL)
		return tool_usage("bench", "%s needs the command of a broker behind --", b->verb);
	bench_begin(b);
	if (recovers)
		ok = start_to_ack(&s, false) && fill(&s);
	for (int i = 0; ok && i < b->count && !tool_is_stopped(); i++) {
		bench_progress("start %d of %d", i + 1, b->count);
		stop(&s, recovers ? SIGKILL : SIGTERM);
		os_sleep_ms(os_real(), recovers ? (mono_ms)(b->wait * 1e3) : 0);
		ok = start_to_ack(&s, true);
		if (ok && i == 0)
			look_at_memory(&s);
	}
	bench_progress("%s", "");
	stop(&s, SIGTERM);
	return ok ? tell(&s) : b->code;
}

int bench_start(struct bench *b)   { return run(b, false); }
int bench_recover(struct bench *b) { return run(b, true); }
