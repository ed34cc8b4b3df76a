"""Repository rule that wraps the CMocka installed on this machine."""

_BUILD = """\
load("@rules_cc//cc:cc_library.bzl", "cc_library")

cc_library(
    name = "cmocka",
    hdrs = glob(["include/*.h"]),
    includes = ["include"],
    linkopts = [{linkopts}],
    visibility = ["//visibility:public"],
)
"""

def _pkg_config(ctx, tool, args):
    result = ctx.execute([tool] + args + ["cmocka"])
    return result.stdout.strip().split(" ") if result.return_code == 0 else None

def _system_cmocka_impl(ctx):
    include_dirs = []
    linkopts = ["-lcmocka"]
    tool = ctx.which("pkg-config") or ctx.which("pkgconf")
    if tool:
        libs = _pkg_config(ctx, tool, ["--libs"])
        if libs:
            linkopts = [flag for flag in libs if flag]
        flags = _pkg_config(ctx, tool, ["--cflags-only-I"])
        if flags:
            include_dirs += [flag[2:] for flag in flags if flag.startswith("-I")]
        var = _pkg_config(ctx, tool, ["--variable=includedir"])
        if var:
            include_dirs += [d for d in var if d]
    include_dirs += ["/usr/include", "/usr/local/include", "/opt/homebrew/include"]
    for d in include_dirs:
        header = ctx.path(d).get_child("cmocka.h")
        if header.exists:
            ctx.symlink(header, "include/cmocka.h")
            break
    if not ctx.path("include/cmocka.h").exists:
        fail("CMocka was not found; install it (Debian: apt-get install libcmocka-dev).")
    ctx.file("BUILD", _BUILD.format(linkopts = ", ".join(["\"%s\"" % f for f in linkopts])))

system_cmocka = repository_rule(
    implementation = _system_cmocka_impl,
    doc = "Wraps the CMocka found through pkg-config or in the usual folders.",
    configure = True,
    local = True,
    environ = ["PKG_CONFIG_PATH", "PATH"],
)
