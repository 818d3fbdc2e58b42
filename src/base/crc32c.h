/*
 * CRC-32C (Castagnoli), the checksum of record batches and of producer snapshots. Any thread.
 * The fastest kernel this processor has is chosen before main; all give the same result.
 */
#ifndef SKEIN_CRC32C_H
#define SKEIN_CRC32C_H

#include "base/base.h"

/* crc is 0, or the result for the bytes before p: crc32c(crc32c(0, a), b) is that of a and b together. */
uint32_t crc32c(uint32_t crc, const void *p, size_t len);

/* Which kernel runs: "tables", "sse4.2", "avx512". For the start-up line and the benchmark. */
const char *crc32c_kernel(void);

#endif
