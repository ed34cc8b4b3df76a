#!/bin/sh
# Runs a test that was built for aarch64: --config=aarch64 makes Bazel put this before the command.
SHEAF_TEST_EMULATOR='qemu-aarch64-static -L /usr/aarch64-linux-gnu' # for the programs that it runs
export SHEAF_TEST_EMULATOR
exec $SHEAF_TEST_EMULATOR "$@"
