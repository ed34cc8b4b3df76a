"""An example is a program and two tests that run it."""

load("@rules_cc//cc:cc_binary.bzl", "cc_binary")
load("@rules_shell//shell:sh_test.bzl", "sh_test")
load("//lib:flags.bzl", "COPTS")

def sheaf_example(name):
    """Makes NAME from NAME.c, and two tests, on a virtual clock.

    NAME_test expects that the program exits with 0, in all configs; NAME_output_test that it prints
    what the first comment of its source promises.
    """
    cc_binary(
        name = name,
        srcs = [name + ".c"],
        copts = COPTS,
        deps = ["//:sheaf"],
    )
    sh_test(
        name = name + "_test",
        size = "small",
        srcs = [":" + name],
        args = ["virtual"],
    )
    sh_test(
        name = name + "_output_test",
        size = "small",
        srcs = ["//examples:expect_output.sh"],
        args = [
            "$(location :%s)" % name,
            "$(location %s.c)" % name,
        ],
        data = [
            name + ".c",
            ":" + name,
        ],
        # The shell runs the program, out of a tool's sight.
        tags = ["no_sanitizer"],
    )
