"""Compiler flags of everything in this repository that is written in C."""

_WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Wcast-qual",
    "-Wconversion",
    "-Wformat=2",
    "-Wmissing-prototypes",
    "-Wpointer-arith",
    "-Wshadow",
    "-Wsign-conversion",
    "-Wstrict-prototypes",
    "-Wundef",
    "-Wvla",
    "-Wwrite-strings",
]

# Warnings are for those who can act on them: a build that takes sheaf as a dependency, with a
# compiler unknown today, neither sees them nor fails on them.
COPTS = [
    "-std=c11",
    "-D_GNU_SOURCE",
    "-fvisibility=hidden",
    # No frame steps over the guard of a stack, however large it is.
    "-fstack-clash-protection",
] + select({
    "//lib:strict": _WARNINGS + ["-Werror"],
    "//conditions:default": [],
})

# Chosen by --config=ucontext, which takes the portable accessor of the thread-local as well as the
# portable switch, and by --config=fenced. Private headers see them, hence the tests too.
VARIANT_DEFINES = select({
    "//lib:ucontext": ["SHEAF__SELF_PORTABLE"],
    "//conditions:default": [],
}) + select({
    "//lib:fenced": ["SHEAF__NO_MEMBARRIER"],
    "//conditions:default": [],
})
