/* Counting primes with the sieve of Eratosthenes, segment by segment. */
#ifndef EXAMPLES_PROGRAMS_SIEVE_H
#define EXAMPLES_PROGRAMS_SIEVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A segment is so many numbers; only the odd ones take room. */
enum { SEGMENT = 1 << 20, SIEVE_ROOM = SEGMENT / 2 };

struct sieve {
    uint64_t limit;
    uint32_t *divisors; /* the odd primes up to the root of the limit */
    size_t divisor_count;
};

/* Makes a zeroed sieve ready to count below a limit.  Returns: 0, ENOMEM */
int sieve_open(struct sieve *sieve, uint64_t limit);
void sieve_close(struct sieve *sieve);

/* How many primes below the limit lie in a segment, counted from 0.  Any number of threads at once.
 *
 *   composite  room for SIEVE_ROOM, what is in there is of no interest */
int32_t sieve_count(const struct sieve *sieve, size_t segment, bool *composite);

#endif
