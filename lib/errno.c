/* errno for programs; that no compiler sees through the call is argued in lib/platform/self.c. */
#include <sheaf/errno.h>

#include "lib/platform/self.h"

int *sheaf_errno_place(void)
{
    return sheaf__errno_place();
}
