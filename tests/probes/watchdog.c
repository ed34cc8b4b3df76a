/* Never ends.  Found by the watchdog of every test: the time limit of its size. */
#include <unistd.h>

int main(void)
{
    for (;;) {
        pause();
    }
}
