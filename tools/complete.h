/*
 * Completion of command lines: the shells' scripts (skein completion SHELL) ask `skein __complete WORD...`, whose last word is the one to be completed, and get a
 * line per candidate: the word, a tab, what it means. ":files" stands for the names of files. What cannot be found out within a second is left out; nothing is
 * said on stderr.
 */
#ifndef SKEIN_TOOL_COMPLETE_H
#define SKEIN_TOOL_COMPLETE_H

#include <stddef.h>

struct verb {
	const char *name;
	int       (*run)(int argc, char **argv);
	const char *summary;
};

#define COMPLETE_WORD "__complete"

/* words: behind COMPLETE_WORD. */
int complete(const struct verb *verbs, size_t verb_count, const char *const *words, int count);

#endif
