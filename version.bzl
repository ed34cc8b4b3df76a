"""The version of the build; MODULE.bazel and include/sheaf/base.h say the same (tools/lint)."""

VERSION = "0.1.0"

SOVERSION = "0"
