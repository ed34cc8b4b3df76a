#!/usr/bin/env python3
"""Tests what run, compare and tables make of text; nothing is measured."""
import importlib.machinery
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import figures

HERE = os.path.dirname(os.path.realpath(__file__))
DOCS = os.path.join(figures.ROOT, "docs")
OLD, NEW = (os.path.join(HERE, "fixtures", name) for name in ("old.tsv", "new.tsv"))


def script(name):
    loader = importlib.machinery.SourceFileLoader(name, os.path.join(HERE, name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


def call(name, *arguments):
    return subprocess.run([sys.executable, os.path.join(HERE, name), *arguments],
                          capture_output=True, text=True)


class Figures(unittest.TestCase):
    def test_what_is_written_is_read_again(self):
        notes, found = figures.read(OLD)
        self.assertEqual(notes, {"commit": "one", "rounds": "2"})
        out = io.StringIO()
        figures.write(out, notes, found)
        with open(OLD, encoding="utf-8") as file:
            self.assertEqual(out.getvalue(), file.read())

    def test_only_lines_of_a_metric_and_a_number_are_figures(self):
        said = "ns_per_task\t1.5\nwords that are none\nover_ms\t-2e-3\n"
        self.assertEqual(figures.metrics_of(said), {"ns_per_task": 1.5, "over_ms": -0.002})


class Run(unittest.TestCase):
    HELP = ("usage: bench WORKLOAD\n\nWorkloads:\n"
            "  w1_fib             35  fib(n), a task a call              --frame --heap --serial\n"
            "  w6_pingpong    500000  handing over, n times              --all --queue --yield\n")

    def test_forms_are_those_that_help_names(self):
        forms = script("run").forms_of(self.HELP)
        self.assertEqual(forms, {"w1_fib": ["frame", "heap", "serial"],
                                 "w6_pingpong": ["all", "queue", "yield"]})

    def test_the_default_form_is_sheaf_and_the_twin_is_serial(self):
        run = script("run")
        self.assertEqual(run.who_of(["frame", "heap", "serial"]),
                         {"sheaf": "--frame", "sheaf --heap": "--heap", "serial": "--serial"})
        self.assertEqual(run.who_of(["all", "queue"]), {"sheaf": "--all"})

    def test_rounds_become_minimum_median_and_maximum(self):
        key = ("w1_fib", "sheaf", 1, "ns_per_task")
        self.assertEqual(script("run").summary({key: [3.0, 1.0, 8.0]}),
                         [figures.Figure(*key, 1.0, 3.0, 8.0, 3)])


class Compare(unittest.TestCase):
    def test_a_figure_of_sheaf_beyond_the_threshold_fails(self):
        done = call("compare", OLD, NEW)
        self.assertEqual(done.returncode, 1, done.stderr)
        lines = done.stdout.splitlines()
        self.assertEqual(lines[0], "worse\tw1_fib\tsheaf\t2\tns_per_task\t4\t4.6\t+15 %")
        self.assertEqual(lines[1], "better\tw1_fib\tsheaf --heap\t2\tns_per_task\t5\t3\t-40 %")
        self.assertEqual(lines[2], "5 compared, 1 worse, 1 better by more than 10 %; "
                                   "0 only in OLD, 1 only in NEW")

    def test_a_higher_threshold_lets_it_pass(self):
        self.assertEqual(call("compare", OLD, NEW, "--threshold", "20").returncode, 0)

    def test_nothing_to_compare_is_no_success(self):
        with tempfile.NamedTemporaryFile("w", suffix=".tsv") as empty:
            self.assertEqual(call("compare", OLD, empty.name).returncode, 2)


class Tables(unittest.TestCase):
    def test_the_page_is_what_its_figures_say(self):
        with tempfile.TemporaryDirectory() as folder:
            page = shutil.copy(os.path.join(DOCS, "performance.md"), folder)
            done = call("tables", os.path.join(DOCS, "performance.tsv"), "--page", page)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(page, encoding="utf-8") as made, \
                    open(os.path.join(DOCS, "performance.md"), encoding="utf-8") as kept:
                self.assertEqual(made.read(), kept.read(), "run tests/bench/tables")

    def test_a_peer_that_is_ahead_is_marked(self):
        _, found = figures.read(NEW)
        self.assertIn("| w1_fib: ns a task | 3 | --heap | 9 | rayon | 0.33 |",
                      script("tables").glance_text(found))
        slow = [one._replace(min=10.0) if one.who.startswith("sheaf") else one for one in found]
        self.assertIn("| rayon | **1.11** |", script("tables").glance_text(slow))


if __name__ == "__main__":
    unittest.main()
