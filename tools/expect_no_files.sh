#!/bin/sh
# Fails when given file names: they are in lib/ but in no layer, so nothing would build them.
if [ $# -gt 0 ]; then
    echo "no layer in lib/layers.bzl names: $*" >&2
    exit 1
fi
