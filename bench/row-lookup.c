/*
 * The yardstick of row-lookup.ts: random rows copied by a plain loop. Compiled by the bench only
 * (cc -O2 -shared -fPIC); not part of the package. The 64-byte loop has its size at compile time, as a
 * C programmer would write it; the other sizes share one loop.
 */
#include <stdint.h>
#include <string.h>

void copy_rows(const char *table, uint64_t row_bytes, const uint32_t *rows, uint64_t n, char *into) {
  if (row_bytes == 64)
    for (uint64_t i = 0; i < n; i++) memcpy(into + i * 64, table + (uint64_t)rows[i] * 64, 64);
  else
    for (uint64_t i = 0; i < n; i++)
      memcpy(into + i * row_bytes, table + (uint64_t)rows[i] * row_bytes, row_bytes);
}

/* The same with the row 16 places ahead fetched early: what the machine can do at best. */
void copy_rows_prefetch(const char *table, uint64_t row_bytes, const uint32_t *rows, uint64_t n,
                        char *into) {
  for (uint64_t i = 0; i < n; i++) {
    if (i + 16 < n) {
      const char *ahead = table + (uint64_t)rows[i + 16] * row_bytes;
      for (uint64_t b = 0; b < row_bytes; b += 64) __builtin_prefetch(ahead + b);
    }
    if (row_bytes == 64)
      memcpy(into + i * 64, table + (uint64_t)rows[i] * 64, 64);
    else
      memcpy(into + i * row_bytes, table + (uint64_t)rows[i] * row_bytes, row_bytes);
  }
}
