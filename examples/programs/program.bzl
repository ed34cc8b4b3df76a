"""A program of this folder is a target, and two tests that run it."""

load("@rules_cc//cc:cc_binary.bzl", "cc_binary")
load("@rules_shell//shell:sh_test.bzl", "sh_test")
load("//lib:flags.bzl", "COPTS")
load("//tests:sheaf_test.bzl", "skipped_test")

def sheaf_program(name, args, found = True, package = None, srcs = [], deps = [], data = []):
    """Makes //examples/programs:NAME from NAME.c, and two tests.

    NAME_run_test runs the program once, in all configs; NAME_test is NAME_test.sh, which looks at all
    that it does.

    Args:
      name: of the program.
      args: those for the one run; it must end with 0. They may name program.bzl for a file.
      found: whether the library that it needs is on this machine; without it there is no program,
        and its test says so.
      package: Debian's name of what is missing then.
      srcs: more sources.
      deps: that library.
      data: what its test needs besides.
    """
    if not found:
        skipped_test(
            name = name + "_test",
            why = package + " is not installed",
            tags = ["no_sanitizer"],
        )
        return
    cc_binary(
        name = name,
        srcs = [
            name + ".c",
            "cli.c",
            "cli.h",
        ] + srcs,
        copts = COPTS,
        deps = ["//:sheaf"] + deps,
    )

    # Medium leaves it out under memcheck, which would look at the library of the machine as well.
    sh_test(
        name = name + "_run_test",
        size = "medium",
        srcs = [":" + name],
        args = args,
        data = ["program.bzl"],
        # There is no library for other machines and C libraries.
        tags = ["no_port"] if package else [],
    )
    sh_test(
        name = name + "_test",
        size = "medium",
        srcs = [name + "_test.sh"],
        args = ["$(location :%s)" % name],
        data = [
            "expect.sh",
            ":" + name,
        ] + data,
        # The shell runs the program, out of a tool's sight.
        tags = ["no_sanitizer"],
    )
