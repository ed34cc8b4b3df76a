/* Step 11: a test of an hour in no time.
 *
 *     8 tries, given up after 3810 s
 */
#include <errno.h>
#include <stdio.h>

#include <sheaf.h>

/* What is tested: tries again later and later, for an hour at least. */
static int call_until_it_works(sheaf_fn *call, int *tries)
{
    sheaf_time start = sheaf_now();
    sheaf_duration pause = SHEAF_S(30);
    for (;;) {
        ++*tries;
        int status = sheaf_join(sheaf_spawn(call, NULL), NULL);
        if (status != EIO || sheaf_now() - start >= SHEAF_S(3600)) {
            return status;
        }
        SHEAF_TRY(sheaf_sleep(pause));
        pause *= 2;
    }
}

static int never_works(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    return EIO;
}

static int test(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    int tries = 0;
    sheaf_time start = sheaf_now();
    int status = call_until_it_works(never_works, &tries);
    printf("%d tries, given up after %d s\n", tries, (int)((sheaf_now() - start) / SHEAF_S(1)));
    return status == EIO && tries == 8 ? SHEAF_OK : SHEAF_INVALID;
}

int main(void)
{
    return sheaf_exit_code(
        sheaf_run(SHEAF_OPTIONS(.clock = SHEAF_CLOCK_VIRTUAL, .seed = 1), test, NULL, NULL));
}
