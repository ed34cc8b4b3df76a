#!/bin/sh
# Makes the Debian packages libsheaf0 and libsheaf-dev for this machine:
#
#   bazel run -c opt //:deb -- FOLDER
#
# Environment: MAINTAINER (as in `Name <name@host>`).
set -eu

version='' soversion='' folder=''
for arg; do
    case $arg in
        --version=*) version=${arg#*=} ;;
        --soversion=*) soversion=${arg#*=} ;;
        -*) echo "deb: unknown option $arg" >&2; exit 2 ;;
        *) folder=$arg ;;
    esac
done
[ -n "$folder" ] || { echo "usage: bazel run -c opt //:deb -- FOLDER" >&2; exit 2; }
case $folder in
    /*) ;;
    *) folder=${BUILD_WORKING_DIRECTORY:-$PWD}/$folder ;;
esac
mkdir -p "$folder"

work=$(mktemp -d "${TMPDIR:-/tmp}/sheaf-deb.XXXXXX")
trap 'rm -rf "$work"' EXIT
maintainer=${MAINTAINER:-the sheaf authors <sheaf@localhost>}
machine=$(dpkg --print-architecture)
libdir=lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
umask 022

DESTDIR=$work/libsheaf-dev LIBDIR=$libdir tools/install/install.sh --version="$version" \
    --soversion="$soversion" /usr >/dev/null
from=$work/libsheaf-dev/usr to=$work/libsheaf$soversion/usr
mkdir -p "$to/$libdir"
mv "$from/$libdir/libsheaf.so.$version" "$from/$libdir/libsheaf.so.$soversion" "$to/$libdir/"
touch "$from"/share/man/man3/*.3
gzip -9n "$from"/share/man/man3/*.3
chmod 644 "$to/$libdir/libsheaf.so.$version"
strip --strip-unneeded "$to/$libdir/libsheaf.so.$version"
strip --strip-debug --enable-deterministic-archives "$from/$libdir/libsheaf.a"

control() { # package, section, what it depends on, summary, description
    root=$work/$1
    mkdir -p "$root/DEBIAN" "$root/usr/share/doc/$1"
    cat >"$root/usr/share/doc/$1/copyright" <<'COPYRIGHT'
Copyright (C) 2026 the sheaf authors
License: Apache-2.0; on Debian systems its text is in /usr/share/common-licenses/Apache-2.0.
COPYRIGHT
    gzip -9n >"$root/usr/share/doc/$1/changelog.gz" <<CHANGELOG
sheaf ($version) unstable; urgency=medium

  * As CHANGELOG.md of the sources says.

 -- $maintainer  $(date -R)
CHANGELOG
    cat >"$root/DEBIAN/control" <<CONTROL
Package: $1
Version: $version
Architecture: $machine
Multi-Arch: same
Maintainer: $maintainer
Section: $2
Priority: optional
Depends: $3
Installed-Size: $(du -sk "$root/usr" | cut -f 1)
Description: $4
 $5
CONTROL
    (cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) \
        >"$root/DEBIAN/md5sums"
}

what='gather, wait and task groups on all cores'
control "libsheaf$soversion" libs 'libc6 (>= 2.34)' "$what" \
    'A work-stealing pool runs tasks; their futures mean what those of asyncio do.'
echo "activate-noawait ldconfig" >"$work/libsheaf$soversion/DEBIAN/triggers"
echo "libsheaf $soversion libsheaf$soversion" >"$work/libsheaf$soversion/DEBIAN/shlibs"
control libsheaf-dev libdevel "libsheaf$soversion (= $version)" "$what (development files)" \
    'Headers, man pages, the static library, and files for pkg-config and CMake.'

for package in "libsheaf$soversion" libsheaf-dev; do
    dpkg-deb --root-owner-group --build "$work/$package" "$folder" >/dev/null
    echo "$folder/${package}_${version}_$machine.deb"
done
