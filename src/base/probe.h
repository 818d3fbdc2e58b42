/*
 * Places where a tracer may look on (USDT: bpftrace, perf, SystemTap): a `nop` each, and a note in the file that says where it is and where its values lie. Nobody has to be
 * there; without <sys/sdt.h> at build time there are none. tests/system/probes.test has the list of names and values, docs/OPERATING.md what to do with them.
 *
 *	PROBE(append, topic, partition, base_offset, bytes);
 *
 * Values: integers and pointers that are at hand anyway, at most six; a probe is no reason to compute one. Texts end with NUL unless their length follows.
 */
#ifndef SKEIN_PROBE_H
#define SKEIN_PROBE_H

#include <config.h>	/* of the build: not the one beside this file */

#ifdef HAVE_SYS_SDT_H
#define SDT_USE_VARIADIC
#include <sys/sdt.h>
#define PROBE(name, ...) STAP_PROBEV(skein, name, __VA_ARGS__)
#else
#define PROBE(name, ...) probe_ignore(0, __VA_ARGS__)
static inline void probe_ignore(int none, ...)	/* the values count as used */
{
	(void)none;
}
#endif

#endif
