#!/usr/bin/env python3
"""Merges gcov JSON files and lcov traces into one lcov trace.

Stands in for Bazel's coverage output generator, which is a download. Speaks
the part of its command line that Bazel uses: once per test (--coverage_dir)
and once for all of them (--reports_file).
"""

import argparse
import gzip
import json
import os
import re


def read_gcov_json(path, data):
    with gzip.open(path, "rt") as stream:
        doc = json.load(stream)
    for entry in doc["files"]:
        lines, funcs = data.setdefault(entry["file"], ({}, {}))
        for line in entry["lines"]:
            number = line["line_number"]
            lines[number] = lines.get(number, 0) + line["count"]
        for func in entry["functions"]:
            start, count = funcs.get(func["name"], (func["start_line"], 0))
            funcs[func["name"]] = (start, count + func["execution_count"])


def read_lcov(path, data):
    lines, funcs = {}, {}
    with open(path) as stream:
        for row in stream:
            tag, _, rest = row.rstrip("\n").partition(":")
            if tag == "SF":
                lines, funcs = data.setdefault(rest, ({}, {}))
            elif tag == "DA":
                number, count = rest.split(",")[:2]
                lines[int(number)] = lines.get(int(number), 0) + int(count)
            elif tag == "FN":
                start, name = rest.split(",")[:2]
                funcs.setdefault(name, (int(start), 0))
            elif tag == "FNDA":
                count, name = rest.split(",")[:2]
                start, old = funcs.get(name, (0, 0))
                funcs[name] = (start, old + int(count))


def write_lcov(path, data):
    with open(path, "w") as out:
        for source in sorted(data):
            lines, funcs = data[source]
            out.write("SF:%s\n" % source)
            for name, (start, _) in sorted(funcs.items()):
                out.write("FN:%d,%s\n" % (start, name))
            for name, (_, count) in sorted(funcs.items()):
                out.write("FNDA:%d,%s\n" % (count, name))
            out.write("FNF:%d\n" % len(funcs))
            out.write("FNH:%d\n" % sum(1 for _, n in funcs.values() if n))
            for number, count in sorted(lines.items()):
                out.write("DA:%d,%d\n" % (number, count))
            out.write("LH:%d\n" % sum(1 for n in lines.values() if n))
            out.write("LF:%d\nend_of_record\n" % len(lines))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--coverage_dir")
    parser.add_argument("--reports_file")
    parser.add_argument("--output_file", required=True)
    parser.add_argument("--filter_sources", action="append", default=[])
    parser.add_argument("--source_file_manifest")
    args, _ = parser.parse_known_args()

    paths = []
    if args.reports_file:
        with open(args.reports_file) as stream:
            paths += stream.read().split()
    if args.coverage_dir:
        for folder, _, names in os.walk(args.coverage_dir):
            paths += [os.path.join(folder, name) for name in names]

    data = {}
    for path in paths:
        if path.endswith(".gcov.json.gz"):
            read_gcov_json(path, data)
        elif path.endswith(".dat") and os.path.abspath(path) != os.path.abspath(args.output_file):
            read_lcov(path, data)
    skip = [re.compile(pattern) for pattern in args.filter_sources]
    names = [name for name in data if not any(rule.fullmatch(name) for rule in skip)]
    if args.source_file_manifest:
        with open(args.source_file_manifest) as stream:
            wanted = set(stream.read().split())
        names = [name for name in names if name in wanted]
    write_lcov(args.output_file, {name: data[name] for name in names})


if __name__ == "__main__":
    main()
