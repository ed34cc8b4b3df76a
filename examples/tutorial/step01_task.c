/* Step 1: a task and its value.
 *
 *     7 squared is 49
 */
#include <stdio.h>

#include <sheaf.h>

static int square(void *arg, sheaf_value *result)
{
    int64_t n = *(const int64_t *)arg;
    result->i64 = n * n;
    return SHEAF_OK;
}

static int app(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    int64_t n = 7;
    sheaf_future *future = sheaf_spawn(square, &n);
    sheaf_value value;
    SHEAF_TRY(sheaf_join(future, &value));
    printf("%d squared is %d\n", (int)n, (int)value.i64);
    return SHEAF_OK;
}

int main(void)
{
    return sheaf_exit_code(sheaf_run(NULL, app, NULL, NULL));
}
