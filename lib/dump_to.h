/* Where dumps go: see lib/dump_to.c. */
#ifndef SHEAF_LIB_DUMP_TO_H
#define SHEAF_LIB_DUMP_TO_H

/* In a child of fork(): nobody listens for the signal. */
void sheaf__dump_forget(void);

#endif
