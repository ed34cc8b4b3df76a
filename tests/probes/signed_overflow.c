/* Overflows a signed integer.  Found by ubsan and asan. */
#include <limits.h>

int main(void)
{
    volatile int number = INT_MAX;
    number = number + 1;
    return number == 0;
}
