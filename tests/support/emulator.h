/* What an emulator adds to the outputs of the programs that it runs. */
#ifndef SHEAF_TESTS_SUPPORT_EMULATOR_H
#define SHEAF_TESTS_SUPPORT_EMULATOR_H

#include <string.h>

/* Takes away the line that qemu writes to the standard error of a process that a signal ends.
 *
 *   text  all that the process wrote there */
static inline void emulator_be_silent(char *text)
{
    char *line = strstr(text, "qemu: uncaught target signal");
    if (line && (line == text || line[-1] == '\n')) {
        *line = '\0';
    }
}

#endif
