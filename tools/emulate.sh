#!/bin/sh
# Runs a test that was built for aarch64: --config=aarch64 makes Bazel put this before the command.
exec qemu-aarch64-static -L /usr/aarch64-linux-gnu "$@"
