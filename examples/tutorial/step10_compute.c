/* Step 10: all cores on one loop.
 *
 *     78498 primes below 1000000
 */
#include <stdio.h>

#include <sheaf.h>

static bool is_prime(size_t n)
{
    for (size_t d = 2; d * d <= n; d++) {
        if (n % d == 0) {
            return false;
        }
    }
    return n > 1;
}

static int count_primes(void *context, size_t begin, size_t end, void *accumulator)
{
    (void)context;
    for (size_t n = begin; n < end; n++) {
        *(size_t *)accumulator += is_prime(n);
    }
    return SHEAF_OK;
}

static void add(void *context, void *left, void *right)
{
    (void)context;
    *(size_t *)left += *(size_t *)right;
}

static const sheaf_reduction counting = {
    .size = sizeof(size_t), .fold = count_primes, .combine = add};

int main(void)
{
    size_t primes;
    int status = sheaf_reduce(NULL, 0, 1000000, &counting, NULL, &primes);
    if (status == SHEAF_OK) {
        printf("%zu primes below 1000000\n", primes);
    }
    sheaf_pool_default_close(SHEAF_CLOSE_DRAIN, SHEAF_FOREVER);
    return sheaf_exit_code(status);
}
