/* Thread-local storage behind accessors; see self.h.
 *
 * The empty asm is why no optimizer, that of the linker included, takes these for functions that
 * give the same answer twice, or that can be moved over a switch.  TSan looks away: contexts that
 * take turns on one thread use the thread's storage in turn, which strict switches do not show it.
 */
#include "lib/platform/self.h"

#include "lib/platform/cpu.h"
#include "lib/platform/sanitize.h"

#include <errno.h>

/* Named by the assembly in self.h, hence initial-exec, and kept where no C code uses it. */
__attribute__((used, visibility("hidden"),
               tls_model("initial-exec"))) _Thread_local void *sheaf__self_slot;

SHEAF__NO_TSAN SHEAF__NOINLINE void *sheaf__self_get_portable(void)
{
    void *self = sheaf__self_slot;
    __asm__ volatile("" : "+r"(self) : : "memory");
    return self;
}

SHEAF__NO_TSAN SHEAF__NOINLINE void sheaf__self_set(void *self)
{
    __asm__ volatile("" : "+r"(self) : : "memory");
    sheaf__self_slot = self;
    __asm__ volatile("" : : : "memory");
}

SHEAF__NOINLINE int *sheaf__errno_place(void)
{
    int *place = &errno;
    __asm__ volatile("" : "+r"(place) : : "memory");
    return place;
}

SHEAF__NO_TSAN SHEAF__NOINLINE int sheaf__errno_get(void)
{
    return *sheaf__errno_place();
}

SHEAF__NO_TSAN SHEAF__NOINLINE void sheaf__errno_set(int value)
{
    *sheaf__errno_place() = value;
}

static _Thread_local void *guest_slot;

SHEAF__NOINLINE void *sheaf__self_guest(void)
{
    return guest_slot;
}

SHEAF__NOINLINE void sheaf__self_set_guest(void *guest)
{
    guest_slot = guest;
}
