/* One computation in the three forms of fork-join: as futures, as tasks in the frames of those who
 * make them, and as forks that are compiled in.
 *
 *     as futures      fib(24) = 46368
 *     in frames       fib(24) = 46368
 *     compiled in     fib(24) = 46368
 *
 * All three may suspend, be cancelled, and be taken by other workers.  They differ in what they
 * cost: ./bazelw run -c opt //tests/bench -- w1_fib --heap, --frame, --inline. */
#include <stdio.h>

#include <sheaf.h>

static void *number(intptr_t n)
{
    return (void *)n;
}

/* A future can be kept, handed on, waited for with a limit, cancelled. */
static int as_futures(void *arg, sheaf_value *result)
{
    intptr_t n = (intptr_t)arg;
    if (n < 2) {
        result->i64 = n;
        return SHEAF_OK;
    }
    sheaf_value left = {0}, right = {0};
    sheaf_future *other = sheaf_spawn(as_futures, number(n - 1));
    int status = as_futures(number(n - 2), &right);
    SHEAF_TRY(sheaf_join(other, &left));
    SHEAF_TRY(status);
    result->i64 = left.i64 + right.i64;
    return SHEAF_OK;
}

/* The task lies in the frame: no allocation, and it is joined on every path. */
static int in_frames(void *arg, sheaf_value *result)
{
    intptr_t n = (intptr_t)arg;
    if (n < 2) {
        result->i64 = n;
        return SHEAF_OK;
    }
    sheaf_task other;
    sheaf_value left = {0}, right = {0};
    sheaf_task_spawn(&other, in_frames, number(n - 1));
    int status = in_frames(number(n - 2), &right);
    SHEAF_TRY(sheaf_task_join(&other, &left));
    SHEAF_TRY(status);
    result->i64 = left.i64 + right.i64;
    return SHEAF_OK;
}

/* A fork that nobody takes is a call. */
static int compiled_in(sheaf_forks *forks, sheaf_fork *next, void *arg, sheaf_value *result)
{
    intptr_t n = (intptr_t)arg;
    if (n < 2) {
        result->i64 = n;
        return SHEAF_OK;
    }
    sheaf_value left, right = {0};
    next = sheaf_fork_spawn(forks, next, compiled_in, number(n - 1));
    int status = compiled_in(forks, next, number(n - 2), &right);
    SHEAF_TRY(sheaf_fork_join(forks, next, compiled_in, number(n - 1), &left));
    SHEAF_TRY(status);
    result->i64 = left.i64 + right.i64;
    return SHEAF_OK;
}

static int app(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    enum { N = 24 };
    sheaf_value value = {0};
    SHEAF_TRY(as_futures(number(N), &value));
    printf("as futures      fib(%d) = %d\n", N, (int)value.i64);
    SHEAF_TRY(in_frames(number(N), &value));
    printf("in frames       fib(%d) = %d\n", N, (int)value.i64);
    SHEAF_TRY(sheaf_fork_run(compiled_in, number(N), &value));
    printf("compiled in     fib(%d) = %d\n", N, (int)value.i64);
    return SHEAF_OK;
}

int main(void)
{
    return sheaf_exit_code(sheaf_run(NULL, app, NULL, NULL));
}
