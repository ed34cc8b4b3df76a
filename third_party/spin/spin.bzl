"""Repository rule that finds the SPIN model checker of this machine.

SPIN checks models of protocols. It is not required: where it is absent found.bzl says so, and the test
that needs it says that it is skipped.
"""

def _system_spin_impl(ctx):
    ctx.file("found.bzl", "SPIN = %s\n" % repr(str(ctx.which("spin") or "")))
    ctx.file("BUILD", "")

system_spin = repository_rule(
    implementation = _system_spin_impl,
    doc = "Gives the path of the spin program, or an empty string.",
    configure = True,
    local = True,
    environ = ["PATH"],
)
