/* Step 6: to ask, to hear, to clean up.
 *
 *     the file is open
 *     the file is closed
 *     the task: cancelled
 */
#include <stdio.h>

#include <sheaf.h>

static int write_pages(void)
{
    for (int page = 0; page < 1000; page++) {
        SHEAF_TRY(sheaf_sleep(SHEAF_MS(10)));
    }
    return SHEAF_OK;
}

static int write_book(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    printf("the file is open\n");
    int status = write_pages();
    printf("the file is closed\n");
    return status;
}

static int app(void *arg, sheaf_value *result)
{
    (void)arg, (void)result;
    sheaf_future *book = sheaf_spawn(write_book, NULL);
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(55)));
    sheaf_cancel(book);
    int status = sheaf_join(book, NULL);
    printf("the task: %s\n", status == SHEAF_CANCELLED ? "cancelled" : sheaf_status_text(status));
    return status == SHEAF_CANCELLED ? SHEAF_OK : status;
}

/* With an argument the seconds are those of a virtual clock, and pass at once. */
int main(int argc, char **argv)
{
    (void)argv;
    sheaf_clock clock = argc > 1 ? SHEAF_CLOCK_VIRTUAL : SHEAF_CLOCK_REAL;
    return sheaf_exit_code(sheaf_run(SHEAF_OPTIONS(.clock = clock), app, NULL, NULL));
}
