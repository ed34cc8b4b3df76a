#include "lib/atomics.h"

#ifdef SHEAF__FENCES_ALWAYS_FULL

void sheaf__fences_choose(bool allowed)
{
    (void)allowed;
}

#else

/* Full until somebody has found membarrier to work: the safe form is the default. */
bool sheaf__fences_full = true;

void sheaf__fences_choose(bool allowed)
{
    sheaf__fences_full = !allowed || !sheaf__membarrier_ready();
}

#endif
