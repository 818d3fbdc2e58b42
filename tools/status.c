/*
 * skein status: what a broker says of itself, for people and for scripts. By its metrics listener; where that is not there, by the protocol, which tells less.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_listener.h"
#include "client/admin.h"
#include "show.h"
#include "tool.h"

#define METRICS_DEFAULT "127.0.0.1:9644"
#define ANSWER_MS       10000
#define PAGE_MAX        (64u << 20)

static const char help[] =
	"Usage: skein status [OPTION...]\n\n"
	"Whether the broker on this machine is alive and ready, with the reasons, and its own numbers.\n"
	"Asks its metrics listener (/healthz, /readyz, /metrics); when nobody answers there, the broker\n"
	"itself, which then tells of the cluster what all brokers know.\n\n"
	"Exit code 0 when all is well, 1 when it is not healthy, not ready, or partitions are without a\n"
	"leader, 5 when nobody answers.\n\n"
	"  -m, --metrics HOST:PORT  the metrics listener (default: $SKEIN_METRICS, else " METRICS_DEFAULT ")\n"
	"  -o, --output FORMAT      text (default) or ndjson (one object)\n"
	TOOL_BOOTSTRAP_HELP
	"\nExamples:\n"
	"  skein status\n"
	"  skein status -m broker2:9644 -o ndjson\n"
	"  until skein status >/dev/null; do sleep 1; done\n";

struct status_verb {
	const char *metrics;
	bool        ndjson, is_metrics_named;
};

/* ---- HTTP: one short answer, whole ---- */

static enum err wait_for_socket(struct os *os, os_fd fd, int events, mono_ms until)
{
	struct os_poller *p;
	struct os_event event;
	enum err e = os_poller_create(os, &p);

	if (e != OK)
		return e;
	e = os_poller_add(os, p, fd, events, NULL);
	mono_ms left = until - os_mono_ms(os);
	if (e == OK && (left <= 0 || os_poller_wait(os, p, &event, 1, left) == 0))
		e = ERR_TIMEOUT;
	os_poller_destroy(os, &p);
	return e;
}

static enum err connect_to(struct os *os, const char *host, uint16_t port, mono_ms until, os_fd *out)
{
	struct os_addr addr[8];
	int n = 0;
	enum err e = os_resolve(os, host, port, addr, (int)ARRAY_LEN(addr), &n);

	for (int i = 0; i < n; i++) {
		e = os_connect(os, &addr[i], out);
		if (e == ERR_AGAIN && (e = wait_for_socket(os, *out, OS_WRITABLE, until)) == OK)
			e = os_connect_result(os, *out);
		if (e == OK)
			return OK;
		if (*out >= 0)
			os_close(os, out);
	}
	return e;
}

static enum err send_all(struct os *os, os_fd fd, const char *text, mono_ms until)
{
	size_t len = strlen(text), at = 0, sent;
	enum err e = OK;

	while (e == OK && at < len) {
		struct iovec iov = { (char *)(uintptr_t)text + at, len - at };

		e = os_sendv(os, fd, &iov, 1, &sent);
		if (e == OK)
			at += sent;
		else if (e == ERR_AGAIN)
			e = wait_for_socket(os, fd, OS_WRITABLE, until);
	}
	return e;
}

static enum err recv_all(struct os *os, os_fd fd, struct strbuf *out, mono_ms until)
{
	char buf[16384];
	size_t got = 1;
	enum err e = OK;

	while (e == OK && got > 0 && out->len < PAGE_MAX) {
		e = os_recv(os, fd, buf, sizeof(buf), &got);
		if (e == OK) {
			strbuf_add(out, buf, got);
		} else if (e == ERR_AGAIN) {
			got = 1;
			e = wait_for_socket(os, fd, OS_READABLE, until);
		}
	}
	return e;
}

/* *status: of HTTP; out: the body. ERR_INVALID: what answers is no HTTP. */
static enum err get(const char *host, uint16_t port, const char *path, int *status, struct strbuf *out)
{
	struct os *os = os_real();
	mono_ms until = os_mono_ms(os) + ANSWER_MS;
	struct strbuf request = STRBUF_INIT, answer = STRBUF_INIT;
	os_fd fd = -1;
	enum err e = connect_to(os, host, port, until, &fd);

	strbuf_printf(&request, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path, host);
	if (e == OK)
		e = send_all(os, fd, strbuf_cstr(&request), until);
	if (e == OK)
		e = recv_all(os, fd, &answer, until);
	if (fd >= 0)
		os_close(os, &fd);
	const char *body = e == OK ? strstr(strbuf_cstr(&answer), "\r\n\r\n") : NULL;
	if (e == OK && (body == NULL || sscanf(strbuf_cstr(&answer), "HTTP/%*d.%*d %d", status) != 1))
		e = ERR_INVALID;
	strbuf_reset(out);
	if (e == OK)
		strbuf_add_str(out, body + 4);
	strbuf_fini(&request);
	strbuf_fini(&answer);
	return e;
}

/* ---- numbers of a page ---- */

/* The sum, or the largest, of all samples of this name; with `label` only of those that have that text among their labels. */
static double number_of(const char *page, const char *name, const char *label, bool is_largest)
{
	size_t len = strlen(name);
	double result = 0;

	for (const char *line = page; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) != 0 || (line[len] != ' ' && line[len] != '{'))
			continue;
		const char *end = strchr(line, '\n');
		const char *value = line;
		for (const char *p = line; p != end && *p != 0; p++)	/* labels may hold blanks */
			value = *p == ' ' ? p : value;
		const char *found = label != NULL ? strstr(line, label) : line;
		if (found == NULL || found > value)
			continue;
		double n = strtod(value, NULL);
		result = is_largest ? MAX(result, n) : result + n;
	}
	return result;
}

static void text_of(const char *page, const char *name, char *out, size_t size)
{
	const char *at = strstr(page, name);
	size_t n = 0;

	if (at != NULL) {
		at += strlen(name);
		n = strcspn(at, "\"\n");
	}
	snprintf(out, size, "%.*s", (int)n, at != NULL ? at : "");
}

static const struct shown {
	const char *label, *key, *name, *unit;
	double      per;		/* divides */
	bool        is_largest;
} shown[] = {
	{ "partitions here", "partitions", "kafka_server_replicamanager_partitioncount", "", 1, false },
	{ "of these led", "leaders", "kafka_server_replicamanager_leadercount", "", 1, false },
	{ "under-replicated", "under_replicated", "kafka_server_replicamanager_underreplicatedpartitions", "", 1, false },
	{ "without a leader", "offline", "kafka_controller_kafkacontroller_offlinepartitionscount", " (told by the controller)", 1, false },
	{ "offline directories", "offline_log_dirs", "kafka_log_logmanager_offlinelogdirectorycount", "", 1, false },
	{ "connections", "connections", "kafka_server_socket_server_metrics_connection_count", "", 1, false },
	{ "requests", "requests", "kafka_network_requestmetrics_requests_total", "", 1, false },
	{ "longest group lag", "group_lag_seconds", "kafka_consumergroup_lag_seconds", " s", 1, true },
	{ "memory", "memory_mib", "process_resident_memory_bytes", " MiB", 1 << 20, false },
	{ "CPU used", "cpu_seconds", "process_cpu_seconds_total", " s", 1, false },
};

static void lines_of(const char *label, const char *reasons)
{
	for (const char *line = reasons; *line != 0; line += strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n'), label = "")
		printf("%-20s %.*s\n", label, (int)strcspn(line, "\n"), line);
}

static void print_text(bool is_healthy, const char *health, bool is_ready, const char *ready, const char *page)
{
	char version[64];
	double up = (double)os_time_ms(os_real()) / 1000 - number_of(page, "process_start_time_seconds", NULL, false);

	text_of(page, "skein_build_info{version=\"", version, sizeof(version));
	lines_of("healthy", is_healthy ? "yes" : health);
	lines_of("ready", is_ready ? "yes" : ready);
	printf("%-20s %s, up for %.0f s\n", "version", version, MAX(up, 0));
	for (size_t i = 0; i < ARRAY_LEN(shown); i++)
		printf("%-20s %.*f%s\n", shown[i].label, shown[i].unit[0] != 0 && shown[i].unit[1] != '(', number_of(page, shown[i].name, NULL, shown[i].is_largest) / shown[i].per,
		       shown[i].unit);
}

static void print_json(bool is_healthy, const char *health, bool is_ready, const char *ready, const char *page)
{
	struct strbuf out = STRBUF_INIT;
	char version[64];

	text_of(page, "skein_build_info{version=\"", version, sizeof(version));
	strbuf_printf(&out, "{\"healthy\":%s,\"ready\":%s,\"reasons\":", is_healthy ? "true" : "false", is_ready ? "true" : "false");
	show_json_string(&out, slice_str(!is_healthy ? health : !is_ready ? ready : ""));
	strbuf_add_str(&out, ",\"version\":");
	show_json_string(&out, slice_str(version));
	for (size_t i = 0; i < ARRAY_LEN(shown); i++)
		strbuf_printf(&out, ",\"%s\":%g", shown[i].key, number_of(page, shown[i].name, NULL, shown[i].is_largest) / shown[i].per);
	printf("%s}\n", strbuf_cstr(&out));
	strbuf_fini(&out);
}

/* ---- the two ways ---- */

/* EXIT_UNREACHABLE: nobody is there, which is not said yet. */
static int by_metrics(const struct status_verb *x, enum err *e)
{
	struct strbuf health = STRBUF_INIT, ready = STRBUF_INIT, page = STRBUF_INIT;
	struct slice host;
	char host_text[256];
	int32_t port;
	int is_healthy = 0, is_ready = 0, status = 0, code = EXIT_UNREACHABLE;

	if (!config_address_parse(slice_str(x->metrics), &host, &port) || host.len == 0 || host.len >= sizeof(host_text))
		return tool_usage("status", "\"%s\" is not HOST:PORT", x->metrics);
	snprintf(host_text, sizeof(host_text), SLICE_FMT, SLICE_ARG(host));
	*e = get(host_text, (uint16_t)port, "/healthz", &is_healthy, &health);
	if (*e == OK)
		*e = get(host_text, (uint16_t)port, "/readyz", &is_ready, &ready);
	if (*e == OK)
		*e = get(host_text, (uint16_t)port, "/metrics", &status, &page);
	if (*e == OK && status != 200)
		*e = ERR_INVALID;
	if (*e == OK) {
		const char *p = strbuf_cstr(&page);

		(x->ndjson ? print_json : print_text)(is_healthy == 200, strbuf_cstr(&health), is_ready == 200, strbuf_cstr(&ready), p);
		code = is_healthy == 200 && is_ready == 200 && number_of(p, "kafka_controller_kafkacontroller_offlinepartitionscount", NULL, false) == 0 ? EXIT_OK : EXIT_FAILED;
	}
	strbuf_fini(&health);
	strbuf_fini(&ready);
	strbuf_fini(&page);
	return code;
}

static int by_protocol(const struct status_verb *x)
{
	struct client_call *answer;
	const struct metadata_response *r;
	struct client_error error;
	int code = EXIT_FAILED;
	int64_t partitions = 0, offline = 0, behind = 0;
	struct client *c = tool_connect(&code);

	if (c == NULL)
		return code;
	if (admin_describe_topics(c, NULL, 0, ANSWER_MS, &answer, &r, &error) != OK) {
		code = tool_fail(&error);
		client_destroy(&c);
		return code;
	}
	for (int32_t t = 0; t < r->topics_count; t++) {
		for (int32_t p = 0; p < r->topics[t].partitions_count; p++) {
			const struct metadata_response_partition *at = &r->topics[t].partitions[p];

			partitions++;
			offline += at->leader_id < 0;
			behind += at->isr_nodes_count < at->replica_nodes_count;
		}
	}
	if (x->ndjson)
		printf("{\"ready\":true,\"brokers\":%d,\"controller\":%d,\"topics\":%d,\"cluster_partitions\":%lld,\"under_replicated\":%lld,\"offline\":%lld}\n", r->brokers_count,
		       r->controller_id, r->topics_count, (long long)partitions, (long long)behind, (long long)offline);
	else
		printf("%-20s yes (a broker answers; its own numbers are at its metrics.listener)\n%-20s %d, controller %d\n%-20s %lld of %d topics\n%-20s %lld\n%-20s %lld\n", "ready",
		       "brokers", r->brokers_count, r->controller_id, "partitions", (long long)partitions, r->topics_count, "under-replicated", (long long)behind,
		       "without a leader", (long long)offline);
	admin_answer_destroy(&answer);
	client_destroy(&c);
	return offline == 0 ? EXIT_OK : EXIT_FAILED;
}

static int parse(struct status_verb *x, int argc, char **argv)
{
	static const struct option options[] = {
		{ "metrics", required_argument, NULL, 'm' }, { "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};

	for (int o; (o = tool_getopt(argc, argv, "m:o:h", options, NULL)) != -1; ) {
		switch (o) {
		case 'm': x->metrics = optarg; x->is_metrics_named = true; break;
		case 'o':
			x->ndjson = strcmp(optarg, "ndjson") == 0;
			if (!x->ndjson && strcmp(optarg, "text") != 0)
				return tool_usage("status", "\"%s\" is no value for this option", optarg);
			break;
		case 'h': fputs(help, stdout); return -1;
		default: return tool_usage_told("status");
		}
	}
	return optind == argc ? EXIT_OK : tool_usage("status", "it takes no arguments");
}

int tool_status(int argc, char **argv)
{
	struct status_verb x = { .metrics = NULL };
	enum err e = OK;
	int code = parse(&x, argc, argv);

	if (code != EXIT_OK)
		return code == -1 ? EXIT_OK : code;
	if (x.metrics == NULL)
		x.metrics = getenv("SKEIN_METRICS");
	if (x.metrics == NULL)
		x.metrics = METRICS_DEFAULT;
	/* Who names a broker and no metrics wants that broker, not the one that happens to be here. */
	code = tool_is_aimed() && !x.is_metrics_named ? EXIT_UNREACHABLE : by_metrics(&x, &e);
	if (code == EXIT_UNREACHABLE && x.is_metrics_named)
		tool_say("%s does not answer as a metrics listener: %s", x.metrics, err_text(e));
	else if (code == EXIT_UNREACHABLE)
		code = by_protocol(&x);
	if (!tool_flush() && code == EXIT_OK)
		code = EXIT_FAILED;
	return code;
}
