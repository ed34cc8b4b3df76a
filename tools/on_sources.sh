#!/bin/sh
# Runs a Python script of tools/ as a Bazel test, on the sources themselves: it is a link to there.
# Usage: on_sources.sh SCRIPT
if ! command -v python3 >/dev/null; then
    echo "SKIPPED $1: python3 is not installed"
    exit 0
fi
exec python3 "$(readlink -f "$1")"
