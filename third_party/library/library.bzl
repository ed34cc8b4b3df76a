"""Repository rule that finds a C library on this machine, for the larger examples.

None of them is required: where one is absent found.bzl says so, and the test of the program that
needs it says that it is skipped. A library is there when a program that uses it compiles and links
with what the compiler searches by itself.
"""

# What it takes to link each, and a program that uses it.
_LIBRARIES = {
    "libcrypto": ("-lcrypto", """\
#include <openssl/evp.h>
int main(void) { return EVP_sha256() == 0; }
"""),
    "libcurl": ("-lcurl", """\
#include <curl/curl.h>
int main(void) { return curl_easy_setopt(curl_easy_init(), CURLOPT_PROTOCOLS_STR, "http"); }
"""),
    "libpng": ("-lpng", """\
#include <png.h>
int main(void) { png_image image = {0}; png_image_free(&image); return 0; }
"""),
    "libz": ("-lz", """\
#include <zlib.h>
int main(void) { return crc32(0, 0, 0) != 0; }
"""),
}

_BUILD = """\
load("@rules_cc//cc:cc_library.bzl", "cc_library")

cc_library(
    name = "{name}",
    linkopts = ["{linkopt}"],
    visibility = ["//visibility:public"],
)
"""

def _system_library_impl(ctx):
    linkopt, use = _LIBRARIES[ctx.attr.library]
    compiler = ctx.which(ctx.os.environ.get("CC", "cc"))
    found = False
    if compiler:
        ctx.file("use.c", use)
        command = [compiler, "-o", "use", "use.c", linkopt]
        found = ctx.execute(command).return_code == 0
    ctx.file("found.bzl", "FOUND = %s\n" % found)
    ctx.file("BUILD", _BUILD.format(name = ctx.attr.library, linkopt = linkopt))

system_library = repository_rule(
    implementation = _system_library_impl,
    attrs = {"library": attr.string(mandatory = True, values = _LIBRARIES.keys())},
    doc = "Links a library of the machine and says in found.bzl whether it is there.",
    configure = True,
    local = True,
    environ = ["CC", "PATH"],
)
