#!/bin/sh
# Says that a test was skipped and why; .ci/run counts such a line as a failure.
name=$1
shift
echo "SKIPPED $name: $*"
