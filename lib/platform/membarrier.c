#include "lib/platform/membarrier.h"

#if defined(__linux__)

#include <sys/syscall.h>
#include <unistd.h>

/* From the kernel's interface, which older headers lack. */
#define COMMAND_PRIVATE_EXPEDITED (1 << 3)
#define COMMAND_REGISTER_PRIVATE_EXPEDITED (1 << 4)

static long membarrier_call(int command)
{
#if defined(SYS_membarrier)
    return syscall(SYS_membarrier, command, 0, 0);
#else
    (void)command;
    return -1;
#endif
}

#else

#define COMMAND_PRIVATE_EXPEDITED 0
#define COMMAND_REGISTER_PRIVATE_EXPEDITED 0

static long membarrier_call(int command)
{
    (void)command;
    return -1;
}

#endif

/* The barrier is issued right away: a registration that succeeds without effect (emulators) is
 * found here and not in the middle of a handshake. */
bool sheaf__membarrier_ready(void)
{
    return membarrier_call(COMMAND_REGISTER_PRIVATE_EXPEDITED) == 0 &&
           membarrier_call(COMMAND_PRIVATE_EXPEDITED) == 0;
}

void sheaf__membarrier(void)
{
    if (membarrier_call(COMMAND_PRIVATE_EXPEDITED) != 0) __builtin_trap();
}
