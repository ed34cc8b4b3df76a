/* Tests under an emulator (tools/emulate.sh): what is to stand before the commands that they run,
 * and what it adds to the outputs of those. */
#ifndef SHEAF_TESTS_SUPPORT_EMULATOR_H
#define SHEAF_TESTS_SUPPORT_EMULATOR_H

#include <stdlib.h>
#include <string.h>

/* The command that a program of this build is an argument of; empty on the machine itself. */
static inline const char *emulator_command(void)
{
    const char *command = getenv("SHEAF_TEST_EMULATOR");
    return command ? command : "";
}

static inline int emulator_is_there(void)
{
    return *emulator_command() != '\0';
}

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
