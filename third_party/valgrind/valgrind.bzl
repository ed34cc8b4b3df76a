"""Repository rule that finds valgrind on this machine.

Its callgrind counts instructions. It is not required: where it is absent found.bzl says so, and the
test that needs it says that it is skipped.
"""

def _system_valgrind_impl(ctx):
    ctx.file("found.bzl", "VALGRIND = %s\n" % repr(str(ctx.which("valgrind") or "")))
    ctx.file("BUILD", "")

system_valgrind = repository_rule(
    implementation = _system_valgrind_impl,
    doc = "Gives the path of the valgrind program, or an empty string.",
    configure = True,
    local = True,
    environ = ["PATH"],
)
