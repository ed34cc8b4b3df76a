/* Loses its only pointer to a block.  Found by asan and valgrind. */
#include <stdlib.h>
#include <string.h>

static void *volatile block;

/* Overwrites what an earlier call may have left on the stack. */
static void wipe_stack(void)
{
    char filler[4096];
    memset(filler, 0, sizeof filler);
    __asm__ volatile("" : : "r"(filler) : "memory");
}

static void lose_block(void)
{
    block = malloc(100);
    block = NULL;
}

int main(void)
{
    lose_block();
    wipe_stack();
    return 0;
}
