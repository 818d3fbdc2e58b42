/*
 * From text to value and back, by the rules and with the sentences of Kafka's ConfigDef. Any thread.
 */
#ifndef SKEIN_CONFIG_VALUE_H
#define SKEIN_CONFIG_VALUE_H

#include "base/arena.h"
#include "base/config_table.h"
#include "base/strbuf.h"

struct config_value {
	struct slice text;		/* trimmed, borrowed from the input; what texts and lists are */
	union {
		bool    boolean;
		int64_t integer;	/* numbers; choices and versions; the ored choices of a list */
		double  real;
	};
};

/* false: why gets "Invalid value abc for configuration retention.ms: Not a number of type LONG". text is not null. */
bool config_value_parse(const struct config_def *def, struct slice text, struct config_value *out,
			struct strbuf *why) MUST_CHECK;

/* The text as Kafka prints the value: " +5" is "5", "TRUE" is "true", "a , b" is "a,b". text passed config_value_parse. */
void config_value_print(const struct config_def *def, struct slice text, struct strbuf *out);

/* Do two texts say the same? NULL-slices are null. Texts that do not parse are compared as bytes. */
bool config_value_eq(const struct config_def *def, struct slice a, struct slice b);

/* What may stand there, for people: "a whole number from 1 to 17". */
void config_value_allowed(const struct config_def *def, struct strbuf *out);

/* Fills the row's field in the struct at base; value NULL is null. Texts are copied into arena. false: arena full. */
bool config_value_store(const struct config_def *def, const struct config_value *value, void *base,
			struct arena *arena) MUST_CHECK;

/* Appends the field's value as Kafka prints it: the way back of config_value_store, for numbers, booleans and choices. */
void config_field_print(const struct config_def *def, const void *base, struct strbuf *out);

/* Takes the next member off a list's trimmed text (blanks around commas do not count). Start with the whole text. */
bool config_list_next(struct slice *rest, struct slice *item);
/* Whether a list of replicas, "0:1,12:3" or "*", names this one. text passed config_value_parse. */
bool config_names_replica(struct slice text, int32_t partition, int32_t broker);
struct slice config_trim(struct slice s);	/* without bytes <= ' ' at both ends, as Java does */

/*
 * One server of zookeeper.connect: host:port, [v6]:port, or without a port, which then is 2181 as for Java's client. host is borrowed from text, without brackets.
 * The servers are members of a list (config_list_next; empty ones do not count) that ends at the first '/', where the path begins.
 */
bool config_zookeeper_server(struct slice text, struct slice *host, uint16_t *port) MUST_CHECK;

bool config_version_parse(struct slice text, int32_t *version) MUST_CHECK;	/* KAFKA_VERSION(...) */
void config_double_print(double d, struct strbuf *out);				/* as Java: 0.5, 1.0E9 */

#endif
