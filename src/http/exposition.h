/*
 * The text that Prometheus reads, in either of its two forms. They differ in little: OpenMetrics names a counter's family without the _total of its samples, and ends with a
 * mark. Escapes are done for label values; everything else is written as it is.
 * Owner: whoever holds the struct.
 */
#ifndef SKEIN_HTTP_EXPOSITION_H
#define SKEIN_HTTP_EXPOSITION_H

#include "base/slice.h"
#include "base/strbuf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_SUMMARY };
const char *metric_type_name(enum metric_type t);	/* as both formats write it */

struct exposition {
	struct strbuf *out;
	bool           is_open_metrics;
	const char    *name;		/* of the family at hand, without _total */
	bool           is_counter;
};

void exposition_family(struct exposition *x, const char *name, enum metric_type type, const char *help);
/*
 * A sample is begun, gets its labels, and is ended by its value.
 *	sample_begin(x, "");  sample_label(x, "topic", name);  sample_end_u64(x, 17);
 * suffix: "" (a counter's _total comes by itself), "_bucket", "_sum", "_count".
 */
void sample_begin(struct exposition *x, const char *suffix);
void sample_label(struct exposition *x, const char *name, const char *value);
void sample_label_bytes(struct exposition *x, const char *name, struct slice value);	/* a client's: what is no printable UTF-8 but a line's end is written \xNN, and so is a backslash before an x: no two of them look the same */
void sample_label_i32(struct exposition *x, const char *name, int32_t value);
void sample_end_i64(struct exposition *x, int64_t value);
void sample_end_u64(struct exposition *x, uint64_t value);
void sample_end_double(struct exposition *x, double value);	/* finite */
void exposition_end(struct exposition *x);

#endif
