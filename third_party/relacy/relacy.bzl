"""Repository rule that wraps the Relacy headers installed on this machine.

Relacy checks memory orders. It is not required: where it is absent the repository is empty, says so
in found.bzl, and the tests that need it say that they are skipped.
"""

_BUILD = """\
load("@rules_cc//cc:cc_library.bzl", "cc_library")

cc_library(
    name = "relacy",
    hdrs = glob(
        ["include/relacy/**"],
        allow_empty = True,
    ),
    includes = ["include"],
    visibility = ["//visibility:public"],
)
"""

def _system_relacy_impl(ctx):
    found = False
    for folder in ["/usr/include", "/usr/local/include"]:
        headers = ctx.path(folder).get_child("relacy")
        if headers.get_child("relacy.hpp").exists:
            ctx.symlink(headers, "include/relacy")
            found = True
            break
    ctx.file("found.bzl", "RELACY_FOUND = %s\n" % found)
    ctx.file("BUILD", _BUILD)

system_relacy = repository_rule(
    implementation = _system_relacy_impl,
    doc = "Wraps the Relacy headers in the usual folders, or nothing.",
    configure = True,
    local = True,
)
