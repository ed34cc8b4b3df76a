"""Stand-ins for the repositories that Bazel 4 to 7 fetch for themselves.

In those versions the C and shell rules are built in, but Bazel's own tools
load them from rules_cc, rules_java and friends and would download these.
Nothing here is used with Bzlmod (Bazel 8 and later; 7 by default).
"""

_SHIMS = {
    "rules_cc": {
        "cc/defs.bzl": [
            "cc_binary",
            "cc_import",
            "cc_library",
            "cc_proto_library",
            "cc_test",
            "cc_toolchain",
            "cc_toolchain_suite",
            "objc_library",
        ],
        "cc/cc_binary.bzl": ["cc_binary"],
        "cc/cc_library.bzl": ["cc_library"],
        "cc/cc_test.bzl": ["cc_test"],
    },
    "rules_java": {
        "java/defs.bzl": [
            "java_binary",
            "java_import",
            "java_library",
            "java_runtime",
            "java_toolchain",
        ],
    },
    "rules_shell": {
        "shell/sh_binary.bzl": ["sh_binary"],
        "shell/sh_test.bzl": ["sh_test"],
    },
}

def _shim_impl(ctx):
    ctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % ctx.name)
    ctx.file("BUILD", "")
    for path, rules in ctx.attr.files.items():
        ctx.file(path.rpartition("/")[0] + "/BUILD", "")
        ctx.file(path, "".join(["{0} = native.{0}\n".format(rule) for rule in rules]))

_shim = repository_rule(
    implementation = _shim_impl,
    attrs = {"files": attr.string_list_dict()},
)

_COVERAGE_BUILD = """\
[sh_binary(
    name = name,
    srcs = ["lcov_merge.py"],
    visibility = ["//visibility:public"],
) for name in ["coverage_report_generator", "lcov_merger"]]
"""

def _coverage_impl(ctx):
    ctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % ctx.name)
    ctx.file("BUILD", _COVERAGE_BUILD)
    ctx.symlink(ctx.attr._merge, "lcov_merge.py")

_coverage = repository_rule(
    implementation = _coverage_impl,
    attrs = {"_merge": attr.label(default = "//third_party/bazel:lcov_merge.py")},
)

def bazel_shims():
    """Defines each stand-in that the workspace does not define itself."""
    for name, files in _SHIMS.items():
        if not native.existing_rule(name):
            _shim(name = name, files = files)
    if not native.existing_rule("remote_coverage_tools"):
        _coverage(name = "remote_coverage_tools")
