#!/bin/sh
# Runs an example on a virtual clock and expects the output that its first comment promises: the
# lines that are indented by five spaces.
# Usage: expect_output.sh PROGRAM SOURCE
set -u
promised=$(sed -n -e '/\*\/$/q' -e 's/^ \*     //p' "$2")
printed=$("$1" virtual) || {
    echo "$1 exits with $?, having printed: $printed" >&2
    exit 1
}
[ -n "$promised" ] && [ "$printed" = "$promised" ] && exit 0
echo "$2 promises:" >&2
echo "$promised" >&2
echo "$1 prints:" >&2
echo "$printed" >&2
exit 1
