/* Limits in time: for one future, for a whole block, and for one that is shielded, whose work goes
 * on when the limit has passed.
 *
 *     quick: success, after 0.2 s
 *     slow: the time limit has passed, after 0.5 s
 *     both: the time limit has passed, after 0.5 s
 *     shielded: the time limit has passed, after 0.5 s
 *     shielded, once more: success, after 2.0 s
 */
#include <stdio.h>

#include <sheaf.h>

static int quick(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_sleep(SHEAF_MS(200));
}

static int slow(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return sheaf_sleep(SHEAF_S(2));
}

/* Returns: SHEAF_OK, also for a limit that has passed, which is what is shown */
static int tell(const char *what, sheaf_time start, int status)
{
    double seconds = (double)(sheaf_now() - start) / 1e9;
    printf("%s: %s, after %.1f s\n", what, sheaf_status_text(status), seconds);
    return status == SHEAF_TIMEOUT ? SHEAF_OK : status;
}

/* A future that the limit overtakes is cancelled, and has ended when the call returns. */
static int limit_one(const char *what, sheaf_fn *fn)
{
    sheaf_time start = sheaf_now();
    sheaf_future *work = sheaf_spawn(fn, NULL);
    int status = sheaf_wait_for(work, SHEAF_MS(500), NULL);
    sheaf_release(work);
    return tell(what, start, status);
}

static int one_after_the_other(void)
{
    SHEAF_TRY(quick(NULL, NULL));
    return slow(NULL, NULL);
}

/* The end of the scope turns the cancellation by the limit into SHEAF_TIMEOUT. */
static int limit_both(void)
{
    sheaf_timeout limit;
    sheaf_time start = sheaf_now();
    SHEAF_TRY(sheaf_timeout_begin(&limit, SHEAF_MS(500), 0));
    int status = sheaf_timeout_end(&limit, one_after_the_other());
    return tell("both", start, status);
}

static int limit_shielded(void)
{
    sheaf_time start = sheaf_now();
    sheaf_future *work = sheaf_spawn(slow, NULL);
    sheaf_future *shield = sheaf_shield(work);
    int status = sheaf_wait_for(shield, SHEAF_MS(500), NULL);
    sheaf_release(shield);
    status = tell("shielded", start, status);
    int ended = sheaf_join(work, NULL);
    return status ? status : tell("shielded, once more", start, ended);
}

static int app(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    SHEAF_TRY(limit_one("quick", quick));
    SHEAF_TRY(limit_one("slow", slow));
    SHEAF_TRY(limit_both());
    return limit_shielded();
}

/* With an argument the seconds are those of a virtual clock, and pass at once. */
int main(int argc, char **argv)
{
    (void)argv;
    sheaf_clock clock = argc > 1 ? SHEAF_CLOCK_VIRTUAL : SHEAF_CLOCK_REAL;
    return sheaf_exit_code(sheaf_run(SHEAF_OPTIONS(.clock = clock), app, NULL, NULL));
}
