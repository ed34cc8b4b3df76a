"""The macros that make a test one line in tests/BUILD."""

load("@relacy//:found.bzl", "RELACY_FOUND")
load("@rules_cc//cc:cc_test.bzl", "cc_test")
load("@rules_shell//shell:sh_test.bzl", "sh_test")
load("//lib:flags.bzl", "COPTS")
load("//lib:layers.bzl", "TOP_LAYER")

def sheaf_test(name, layer = TOP_LAYER, srcs = None, deps = [], size = "small", **kwargs):
    """A CMocka program that sees the public headers and the private ones up to a layer.

    With all layers, which is the default, it also sees and links tests/support.

    Args:
      name: noun_test; its source is NAME.c unless `srcs` says otherwise.
      layer: the highest layer of lib/layers.bzl that the test may include and links.
      srcs: the sources, when they are not just NAME.c.
      deps: more libraries.
      size: the watchdog: small ends a test after 60 s, medium after 300 s.
      **kwargs: as for cc_test.
    """
    cc_test(
        name = name,
        size = size,
        srcs = srcs or [name + ".c"],
        copts = COPTS,
        deps = [
            "//include:headers",
            "//lib:" + layer,
            "@cmocka",
        ] + ([":support"] if layer == TOP_LAYER else []) + deps,
        **kwargs
    )

def relacy_test(name, srcs = None, deps = [], size = "small", **kwargs):
    """A C++ program that checks memory orders under Relacy, where that is installed.

    Args:
      name: its source is NAME.cc unless `srcs` says otherwise.
      srcs: the sources, when they are not just NAME.cc.
      deps: libraries beside Relacy; //lib:text lets it include sources of the library.
      size: the watchdog, as for sheaf_test.
      **kwargs: as for cc_test.
    """
    if not RELACY_FOUND:
        skipped_test(name, "Relacy is not installed (relacy-dev)")
        return
    cc_test(
        name = name,
        size = size,
        srcs = srcs or [name + ".cc"],
        # The checked longjmp of -O2 builds takes a change of stacks for a fault; the library's own
        # assertions are part of what finds a mutant.
        copts = [
            "-std=c++14",
            "-U_FORTIFY_SOURCE",
            "-UNDEBUG",
        ],
        linkopts = [
            "-lstdc++",
            "-pthread",
        ],
        # Relacy has its own fibers, of which no sanitizer is told.
        tags = ["no_sanitizer"],
        deps = ["@relacy"] + deps,
        **kwargs
    )

def skipped_test(name, why, tags = []):
    """Stands in for a test that cannot be built here, passes, and prints `SKIPPED name: why`."""
    sh_test(
        name = name,
        size = "small",
        srcs = ["//tests:skipped.sh"],
        args = [
            name,
            "'%s'" % why,
        ],
        tags = tags,
    )
