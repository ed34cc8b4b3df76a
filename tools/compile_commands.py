#!/usr/bin/env python3
"""Writes compile_commands.json for clangd and clang-tidy.

Run it from the repository root: tools/compile_commands.py [BAZEL OPTION...]
"""

import json
import os
import subprocess
import sys


def as_own_headers(args):
    pairs = zip(args, args[1:] + [""])
    return ["-I" if pair == ("-isystem", "include") else pair[0] for pair in pairs]


def main():
    bazel = [os.environ.get("BAZEL") or "./bazelw"]
    query = 'mnemonic("CppCompile", deps(//...))'
    out = subprocess.run(
        bazel + ["aquery", "--output=jsonproto"] + sys.argv[1:] + [query],
        check=True, stdout=subprocess.PIPE).stdout
    root = os.getcwd()
    entries = {}
    for action in json.loads(out).get("actions", []):
        args = action["arguments"]
        source = args[args.index("-c") + 1]
        if source.startswith("external/"):
            continue
        # clang does not know this flag of gcc's.
        args = [arg for arg in args if arg != "-fno-canonical-system-headers"]
        # Bazel's -isystem would hide what a tool finds in our own headers.
        args = as_own_headers(args)
        entries.setdefault(source, {
            "directory": root,
            "file": source,
            "arguments": args,
        })
    with open("compile_commands.json", "w") as stream:
        json.dump([entries[key] for key in sorted(entries)], stream, indent=2)
    print("%d entries in compile_commands.json" % len(entries))


if __name__ == "__main__":
    main()
