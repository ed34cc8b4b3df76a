/* Step 5: no longer than that.
 *
 *     one future: the time limit has passed
 *     a whole block: the time limit has passed
 *     all in 0.4 s
 */
#include <stdio.h>

#include <sheaf.h>

static int think_long(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_sleep(SHEAF_S(60));
}

static int limit_one(void)
{
    sheaf_future *thought = sheaf_spawn(think_long, NULL);
    int status = sheaf_wait_for(thought, SHEAF_MS(200), NULL);
    printf("one future: %s\n", sheaf_status_text(status));
    sheaf_release(thought);
    return status == SHEAF_TIMEOUT ? SHEAF_OK : status;
}

static int many_steps(void)
{
    for (;;) {
        SHEAF_TRY(sheaf_sleep(SHEAF_MS(50)));
    }
}

static int limit_block(void)
{
    sheaf_timeout limit;
    SHEAF_TRY(sheaf_timeout_begin(&limit, SHEAF_MS(200), 0));
    int status = sheaf_timeout_end(&limit, many_steps());
    printf("a whole block: %s\n", sheaf_status_text(status));
    return status == SHEAF_TIMEOUT ? SHEAF_OK : status;
}

static int app(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_time start = sheaf_now();
    SHEAF_TRY(limit_one());
    SHEAF_TRY(limit_block());
    printf("all in %.1f s\n", (double)(sheaf_now() - start) / 1e9);
    return SHEAF_OK;
}

/* With an argument the seconds are those of a virtual clock, and pass at once. */
int main(int argc, char **argv)
{
    (void)argv;
    sheaf_clock clock = argc > 1 ? SHEAF_CLOCK_VIRTUAL : SHEAF_CLOCK_REAL;
    return sheaf_exit_code(sheaf_run(SHEAF_OPTIONS(.clock = clock), app, NULL, NULL));
}
