/* How much fewer lives and rounds a test goes through under a sanitizer: those add to what each shows, not to how many are seen. */
#ifndef SKEIN_TESTS_SLOWNESS_H
#define SKEIN_TESTS_SLOWNESS_H

#if defined(__SANITIZE_THREAD__)
#define SEEDS_SLOWNESS 20
#elif defined(__SANITIZE_ADDRESS__)
#define SEEDS_SLOWNESS 5
#else
#define SEEDS_SLOWNESS 1
#endif

#endif
