/* A program in a workspace of its own that takes sheaf as a Bazel dependency.
 *
 * Prints: sum of squares: 30 */
#include <inttypes.h>
#include <stdio.h>

#include <sheaf.h>

#define PARTS 4

static int square(void *arg, sheaf_value *result)
{
    const int64_t *number = arg;
    result->i64 = *number * *number;
    return SHEAF_OK;
}

static int sum_of_squares(void *arg, sheaf_value *result)
{
    int64_t *numbers = arg;
    sheaf_future *squares[PARTS];
    int status = SHEAF_OK;
    result->i64 = 0;
    for (int i = 0; i < PARTS; i++) {
        squares[i] = sheaf_spawn(square, &numbers[i]);
    }
    for (int i = 0; i < PARTS; i++) {
        sheaf_value part = {0};
        int joined = sheaf_join(squares[i], &part);
        result->i64 += part.i64;
        status = status ? status : joined;
    }
    return status;
}

int main(void)
{
    int64_t numbers[PARTS] = {1, 2, 3, 4};
    sheaf_value sum = {0};
    int status = sheaf_run(NULL, sum_of_squares, numbers, &sum);
    printf("sum of squares: %" PRId64 "\n", sum.i64);
    return sheaf_exit_code(status);
}
