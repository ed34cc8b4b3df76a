/* Lines of the report hook about tasks that are late (lib/dump.c). */
#ifndef SHEAF_LIB_LATE_LINE_H
#define SHEAF_LIB_LATE_LINE_H

#include <sheaf/future.h>
#include <sheaf/time.h>

/* Tells that the task was asked to cancel so long ago and has not reacted. */
void sheaf__late_to_react(sheaf_future *task, sheaf_duration since);

#endif
