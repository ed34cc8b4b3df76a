/* What the programs of this folder have in common: numbers among their arguments, their messages,
 * and the line on the terminal that tells how far they are.
 *
 * All that write may be called by several tasks at once; none of it suspends. */
#ifndef EXAMPLES_PROGRAMS_CLI_H
#define EXAMPLES_PROGRAMS_CLI_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

#include <sheaf.h>

/* Exit code for arguments that make no sense. */
enum { CLI_MISUSE = 2 };

/* The next option, by the rules of getopt_long(); `optarg` and `optind` are set.  Only main() calls
 * it, before there are other threads. */
int cli_option(int argc, char **argv, const char *letters, const struct option *options);

/* Reads a whole number.  Returns: whether it is one within bounds; if not it has been told. */
bool cli_number(const char *option, const char *text, long least, long most, long *number);

/* Writes "program: ..." with a line end to standard error. */
void cli_complain(const char *format, ...) SHEAF_PRINTF(1, 2);

/* Writes to standard output. */
void cli_print(const char *format, ...) SHEAF_PRINTF(1, 2);

/* Draws a bar on standard error if that is a terminal, ten times a second at most.
 *
 *   unit  what is counted */
void cli_bar(const char *unit, size_t done, size_t total);

/* The same as a sheaf_progress_fn; the unit is a string that may not be const. */
void cli_progress(void *unit, size_t done, size_t total);

/* Wipes the bar away. */
void cli_bar_end(void);

/* Prints the text for --help.  Returns: the exit code */
int cli_help(const char *usage);

/* Ends a program: tells `status` unless it is SHEAF_OK or an interruption, and when standard output
 * could not be written.
 *
 *   failed  something has gone wrong that has been told already
 *
 * Returns: the exit code: 0, 1 for whatever went wrong, 130 after an interruption */
int cli_exit(int status, bool failed);

#endif
