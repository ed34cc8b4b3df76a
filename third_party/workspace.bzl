"""Repositories for Bazel versions that still read WORKSPACE (4 to 7)."""

load("//third_party/bazel:shims.bzl", "bazel_shims")
load("//third_party/cmocka:cmocka.bzl", "system_cmocka")
load("//third_party/library:library.bzl", "system_library")
load("//third_party/relacy:relacy.bzl", "system_relacy")
load("//third_party/spin:spin.bzl", "system_spin")
load("//third_party/valgrind:valgrind.bzl", "system_valgrind")

def sheaf_workspace():
    """What a workspace needs that depends on sheaf."""
    bazel_shims()

def sheaf_dev_workspace():
    """What sheaf's own tests and examples need besides."""
    system_cmocka(name = "cmocka")
    system_library(name = "libcrypto", library = "libcrypto")
    system_library(name = "libcurl", library = "libcurl")
    system_library(name = "libpng", library = "libpng")
    system_library(name = "libz", library = "libz")
    system_relacy(name = "relacy")
    system_spin(name = "spin")
    system_valgrind(name = "valgrind")
