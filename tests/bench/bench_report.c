/*
 * Figures: a row of a table for people, and a line of JSON for programs, each with where it was
 * measured. The figure of several runs is their median; the extremes say how far to trust it.
 */
#include "bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

void bench_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	exit(1);
}

double bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void bench_sleep(double seconds)
{
	struct timespec t = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };

	nanosleep(&t, NULL);
}

static void read_cpu_model(char *out, size_t size)
{
	char line[256];
	FILE *f = fopen("/proc/cpuinfo", "r");

	snprintf(out, size, "unknown");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		char *value = strchr(line, ':');

		if (strncmp(line, "model name", 10) == 0 && value != NULL) {
			value[strcspn(value, "\n")] = 0;
			snprintf(out, size, "%s", value + 2);
			break;
		}
	}
	if (f != NULL)
		fclose(f);
}

bool report_is_listed(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = list; (p = strstr(p, name)) != NULL; p += len)
		if ((p == list || p[-1] == ',') && (p[len] == ',' || p[len] == 0))
			return true;
	return false;
}

void report_init(struct report *r, const char *json, const char *revision)
{
	struct utsname u;

	*r = (struct report){ .revision = revision };
	if (json != NULL && (r->json = fopen(json, "a")) == NULL)
		bench_die("cannot write %s", json);
	uname(&u);
	snprintf(r->kernel, sizeof(r->kernel), "%.63s %.60s", u.sysname, u.release);
	read_cpu_model(r->cpu, sizeof(r->cpu));
	printf("skein %s, %s, %s\n\n%-52s %10s %21s %8s  %s\n", r->revision, r->kernel, r->cpu,
	       "what", "median", "least .. most", "aim", "unit");
}

void report_fini(struct report *r)
{
	if (r->json != NULL)
		fclose(r->json);
}

void figure_init(struct figure *f, const char *unit, double aim, const char *name, ...)
{
	va_list ap;

	*f = (struct figure){ .unit = unit, .aim = aim };
	va_start(ap, name);
	vsnprintf(f->name, sizeof(f->name), name, ap);
	va_end(ap);
}

void figure_add(struct figure *f, double value)
{
	ASSERT(f->count < BENCH_RUNS_MAX);
	f->runs[f->count++] = value;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const double *sorted, int n)
{
	return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

static void write_json(const struct report *r, const struct figure *f, double middle)
{
	fprintf(r->json, "{\"revision\":\"%s\",\"kernel\":\"%s\",\"cpu\":\"%s\",\"time\":%lld,"
		"\"name\":\"%s\",\"unit\":\"%s\",\"median\":%.6g,\"runs\":[",
		r->revision, r->kernel, r->cpu, (long long)time(NULL), f->name, f->unit, middle);
	for (int i = 0; i < f->count; i++)
		fprintf(r->json, "%s%.6g", i > 0 ? "," : "", f->runs[i]);
	fprintf(r->json, "]");
	if (f->aim > 0)
		fprintf(r->json, ",\"aim\":%.6g", f->aim);
	fprintf(r->json, "}\n");
	fflush(r->json);
}

void report_figure(struct report *r, struct figure *f)
{
	char range[48] = "", aim[16] = "";
	double sorted[BENCH_RUNS_MAX];

	memcpy(sorted, f->runs, sizeof(sorted));
	qsort(sorted, (size_t)f->count, sizeof(double), by_value);
	double middle = median(sorted, f->count);
	if (f->count > 1)
		snprintf(range, sizeof(range), "%.4g .. %.4g", sorted[0], sorted[f->count - 1]);
	if (f->aim > 0)
		snprintf(aim, sizeof(aim), "%.4g", f->aim);
	printf("%-52s %10.4g %21s %8s  %s%s\n", f->name, middle, range, aim, f->unit,
	       f->aim > 0 && middle > f->aim ? "  missed" : "");
	fflush(stdout);
	if (r->json != NULL)
		write_json(r, f, middle);
}
