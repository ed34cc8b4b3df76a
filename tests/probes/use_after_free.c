/* Reads a block that has been freed.  Found by asan and valgrind. */
#include <stdlib.h>

static int *volatile block;

int main(void)
{
    block = calloc(1, sizeof *block);
    if (!block) {
        return 0;
    }
    free(block);
    return *(volatile int *)block == 1234567;
}
