#include "sieve.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int sieve_open(struct sieve *sieve, uint64_t limit)
{
    size_t size = (size_t)sqrt((double)limit) + 2;
    sieve->limit = limit;
    bool *composite = calloc(size, sizeof *composite);
    sieve->divisors = calloc(size / 2 + 1, sizeof *sieve->divisors);
    if (!composite || !sieve->divisors) {
        free(composite);
        return ENOMEM;
    }
    for (size_t n = 3; n < size; n += 2) {
        if (!composite[n]) {
            sieve->divisors[sieve->divisor_count++] = (uint32_t)n;
            for (size_t multiple = n * n; multiple < size; multiple += 2 * n) {
                composite[multiple] = true;
            }
        }
    }
    free(composite);
    return 0;
}

/* composite[i] stands for the odd number begin + 2 * i + 1. */
static void strike_out(const struct sieve *sieve, uint64_t begin, bool *composite)
{
    memset(composite, 0, SIEVE_ROOM);
    for (size_t i = 0; i < sieve->divisor_count; i++) {
        uint64_t divisor = sieve->divisors[i];
        uint64_t first = divisor * divisor;
        if (first >= begin + SEGMENT) {
            return;
        }
        if (first < begin) {
            first = (begin + divisor - 1) / divisor * divisor;
            first += first % 2 == 0 ? divisor : 0;
        }
        for (uint64_t at = (first - begin) / 2; at < SIEVE_ROOM; at += divisor) {
            composite[at] = true;
        }
    }
}

/* In the first segment 2 takes the place of 1, which nothing has struck out. */
int32_t sieve_count(const struct sieve *sieve, size_t segment, bool *composite)
{
    uint64_t begin = (uint64_t)segment * SEGMENT;
    int32_t primes = 0;
    strike_out(sieve, begin, composite);
    for (uint64_t i = 0; i < SIEVE_ROOM && begin + 2 * i + 1 < sieve->limit; i++) {
        primes += !composite[i];
    }
    return sieve->limit == 2 ? 0 : primes;
}

void sieve_close(struct sieve *sieve)
{
    free(sieve->divisors);
}
