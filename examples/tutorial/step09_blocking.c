/* Step 9: calls that block.
 *
 *     the only worker goes on
 *     read: x
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sheaf.h>

/* Comes back when there is something in the pipe, and keeps its thread until then. */
static int read_letter(void *arg, sheaf_value *result)
{
    const int *ends = arg;
    unsigned char letter;
    if (read(ends[0], &letter, 1) != 1) {
        return sheaf_raise(errno, "the pipe is broken");
    }
    result->i64 = letter;
    return SHEAF_OK;
}

static int app(void *arg, sheaf_value *result)
{
    (void)result;
    const int *ends = arg;
    sheaf_future *letter = sheaf_blocking(read_letter, arg);
    SHEAF_TRY(sheaf_sleep(SHEAF_MS(1)));
    printf("the only worker goes on\n");
    if (write(ends[1], "x", 1) != 1) {
        return sheaf_raise(errno, "the pipe is broken");
    }
    sheaf_value value;
    SHEAF_TRY(sheaf_join(letter, &value));
    printf("read: %c\n", (char)value.i64);
    return SHEAF_OK;
}

int main(void)
{
    int ends[2];
    if (pipe(ends)) {
        return EXIT_FAILURE;
    }
    return sheaf_exit_code(sheaf_run(SHEAF_OPTIONS(.workers = 1), app, ends, NULL));
}
