#!/bin/sh
# Runs a test under valgrind's memcheck: --config=valgrind makes Bazel put this before the command.
# What is only possibly lost is no error: a death test ends with its pool's threads still running, and
# glibc finds their thread-local storage by pointers into the middle of it.
exec valgrind --quiet --vgdb=no --fair-sched=yes --leak-check=full --error-exitcode=97 \
    --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect \
    --suppressions=tools/valgrind.supp "$@"
