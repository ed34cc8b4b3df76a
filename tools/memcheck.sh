#!/bin/sh
# Runs a test under valgrind's memcheck: --config=valgrind makes Bazel put this before the command.
exec valgrind --quiet --vgdb=no --fair-sched=yes --leak-check=full --error-exitcode=97 \
    --suppressions=tools/valgrind.supp "$@"
