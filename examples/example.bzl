"""An example is a program and a test that runs it."""

load("@rules_cc//cc:cc_binary.bzl", "cc_binary")
load("@rules_shell//shell:sh_test.bzl", "sh_test")
load("//lib:flags.bzl", "COPTS")

def sheaf_example(name):
    """Makes //examples:NAME from NAME.c, and NAME_test, which expects that it exits with 0."""
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
    )
