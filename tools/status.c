/*
 * skein status: what a broker says of itself, for people and for scripts. By its metrics listener; where that is not there, by the protocol, which tells less.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_listener.h"
#include "client/admin.h"
#include "http_get.h"
#include "show.h"
#include "tool.h"

#define METRICS_DEFAULT "127.0.0.1:9644"
#define ANSWER_MS       10000

static const char help[] =
	"Usage: skein status [OPTION...]\n\n"
	"Whether the broker on this machine is alive and ready, with the reasons, and its own numbers.\n"
	"Asks its metrics listener (/healthz, /readyz, /metrics); when nobody answers there, the broker\n"
	"itself, which then tells of the cluster what all brokers know.\n\n"
	"Exit code 0 when all is well, 1 when it is not healthy, not ready, gives a reason for concern (a\n"
	"log directory is full or offline, ZooKeeper is away), or partitions are without a leader, 5 when\n"
	"nobody answers.\n\n"
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

/* ---- numbers of a page ---- */

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

/* What a page says beside "ok": each line a reason. */
static bool has_concerns(const char *page)
{
	return strcmp(page, "ok\n") != 0;
}

static void lines_of(const char *label, const char *reasons)
{
	for (const char *line = reasons; *line != 0; line += strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n'), label = "")
		printf("%-20s %.*s\n", label, (int)strcspn(line, "\n"), line);
}

static void print_text(bool is_healthy, const char *health, bool is_ready, const char *ready, const char *page)
{
	char version[64];
	double up = (double)os_time_ms(os_real()) / 1000 - http_number(page, "process_start_time_seconds", NULL, false);

	text_of(page, "skein_build_info{version=\"", version, sizeof(version));
	lines_of("healthy", is_healthy ? "yes" : health);
	lines_of("ready", is_ready ? "yes" : ready);
	if (is_ready && has_concerns(ready))
		lines_of("but", ready);
	printf("%-20s %s, up for %.0f s\n", "version", version, MAX(up, 0));
	for (size_t i = 0; i < ARRAY_LEN(shown); i++)
		printf("%-20s %.*f%s\n", shown[i].label, shown[i].unit[0] != 0 && shown[i].unit[1] != '(', http_number(page, shown[i].name, NULL, shown[i].is_largest) / shown[i].per,
		       shown[i].unit);
}

static void print_json(bool is_healthy, const char *health, bool is_ready, const char *ready, const char *page)
{
	struct strbuf out = STRBUF_INIT;
	char version[64];

	text_of(page, "skein_build_info{version=\"", version, sizeof(version));
	strbuf_printf(&out, "{\"healthy\":%s,\"ready\":%s,\"reasons\":", is_healthy ? "true" : "false", is_ready ? "true" : "false");
	show_json_string(&out, slice_str(!is_healthy ? health : has_concerns(ready) ? ready : ""));
	strbuf_add_str(&out, ",\"version\":");
	show_json_string(&out, slice_str(version));
	for (size_t i = 0; i < ARRAY_LEN(shown); i++)
		strbuf_printf(&out, ",\"%s\":%g", shown[i].key, http_number(page, shown[i].name, NULL, shown[i].is_largest) / shown[i].per);
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
	*e = http_get(host_text, (uint16_t)port, "/healthz", ANSWER_MS, &is_healthy, &health);
	if (*e == OK)
		*e = http_get(host_text, (uint16_t)port, "/readyz", ANSWER_MS, &is_ready, &ready);
	if (*e == OK)
		*e = http_get(host_text, (uint16_t)port, "/metrics", ANSWER_MS, &status, &page);
	if (*e == OK && status != 200)
		*e = ERR_INVALID;
	if (*e == OK) {
		const char *p = strbuf_cstr(&page);

		(x->ndjson ? print_json : print_text)(is_healthy == 200, strbuf_cstr(&health), is_ready == 200, strbuf_cstr(&ready), p);
		code = is_healthy == 200 && is_ready == 200 && !has_concerns(strbuf_cstr(&ready)) &&
			http_number(p, "kafka_controller_kafkacontroller_offlinepartitionscount", NULL, false) == 0 &&
			http_number(p, "kafka_log_logmanager_offlinelogdirectorycount", NULL, false) == 0 ? EXIT_OK : EXIT_FAILED;
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
				return tool_bad_value("status", "text or ndjson");
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
