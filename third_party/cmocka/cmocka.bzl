"""Repository rule that wraps the CMocka installed on this machine, or builds it from its source.

The source is for what the machine has no package for, another CPU or another C library: see
tools/setup, which fetches it, and the configs aarch64 and musl.
"""

_BUILD = """\
load("@rules_cc//cc:cc_library.bzl", "cc_library")

config_setting(
    name = "wants_source",
    define_values = {{"sheaf_cmocka": "source"}},
)

alias(
    name = "cmocka",
    actual = select({{
        ":wants_source": ":built",
        "//conditions:default": ":installed",
    }}),
    visibility = ["//visibility:public"],
)

cc_library(
    name = "installed",
    hdrs = glob(["include/*.h"]),
    includes = ["include"],
    linkopts = [{linkopts}],
)

# There only if tools/setup has fetched the source.
cc_library(
    name = "built",
    srcs = [
        "source/include/cmocka_private.h",
        "source/src/cmocka.c",
    ],
    hdrs = ["source/include/cmocka.h"],
    copts = ["-w"] + ["-DHAVE_%s=1" % name for name in [
        "CLOCK_GETTIME",
        "CLOCK_REALTIME",
        "GCC_THREAD_LOCAL_STORAGE",
        "INTTYPES_H",
        "MALLOC_H",
        "SIGLONGJMP",
        "SIGNAL_H",
        "STDINT_H",
        "STRSIGNAL",
        "STRUCT_TIMESPEC",
        "TIME_H",
        "UNISTD_H",
    ]],
    includes = ["source/include"],
    linkstatic = True,
)
"""

_SOURCE = "/usr/local/src/cmocka"

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
    if ctx.path(_SOURCE).exists:
        ctx.symlink(_SOURCE, "source")
    ctx.file("BUILD", _BUILD.format(linkopts = ", ".join(["\"%s\"" % f for f in linkopts])))

system_cmocka = repository_rule(
    implementation = _system_cmocka_impl,
    doc = "Wraps the CMocka found through pkg-config or in the usual folders.",
    configure = True,
    local = True,
    environ = ["PKG_CONFIG_PATH", "PATH"],
)
