/* A C++ catch block that is live over a suspension. */
#ifndef SHEAF_TESTS_MIGRATION_CATCH_PROBE_H
#define SHEAF_TESTS_MIGRATION_CATCH_PROBE_H

#ifdef __cplusplus
extern "C" {
#endif

/* Throws, catches, and suspends in the catch block.
 * Returns: 1 when the thread knows the exception afterwards; 0 when `throw;` would find none */
int catch_over_suspension(void (*suspend)(void *context), void *context);

/* Goes on throwing it after the suspension, and catches it again.
 * Returns: 1; it ends the program where the thread does not know the exception */
int rethrow_after_suspension(void (*suspend)(void *context), void *context);

#ifdef __cplusplus
}
#endif

#endif
