#!/bin/sh
# Copies the library into a prefix: bazel run -c opt //:install -- PREFIX
# Environment: DESTDIR (staging folder), LIBDIR (default: lib).
set -eu

version='' soversion='' prefix=''
for arg; do
    case $arg in
        --version=*) version=${arg#*=} ;;
        --soversion=*) soversion=${arg#*=} ;;
        -*) echo "install: unknown option $arg" >&2; exit 2 ;;
        *) prefix=$arg ;;
    esac
done
if [ -z "$prefix" ]; then
    echo "usage: bazel run -c opt //:install -- PREFIX" >&2
    exit 2
fi
case $prefix in
    /*) ;;
    *) prefix=${BUILD_WORKING_DIRECTORY:-$PWD}/$prefix ;;
esac

libdir=${LIBDIR:-lib}
root=${DESTDIR:-}$prefix
archive=lib/libsheaf.pic.a
[ -f "$archive" ] || archive=lib/libsheaf.a

install -d "$root/include/sheaf" "$root/$libdir/pkgconfig" "$root/$libdir/cmake/sheaf" \
    "$root/share/sheaf"
install -m 644 include/sheaf.h "$root/include/"
install -m 644 include/sheaf/*.h "$root/include/sheaf/"
install -m 644 "$archive" "$root/$libdir/libsheaf.a"
install -m 755 "lib/libsheaf.so.$version" "$root/$libdir/"
install -m 644 tools/gdb/sheaf.py "$root/share/sheaf/gdb.py"
ln -sf "libsheaf.so.$version" "$root/$libdir/libsheaf.so.$soversion"
ln -sf "libsheaf.so.$soversion" "$root/$libdir/libsheaf.so"

fill() {
    sed -e "s|@PREFIX@|$prefix|g" -e "s|@LIBDIR@|$libdir|g" \
        -e "s|@VERSION@|$version|g" -e "s|@SOVERSION@|$soversion|g" \
        "tools/install/$1.in" >"$root/$2"
    chmod 644 "$root/$2"
}
fill sheaf.pc "$libdir/pkgconfig/sheaf.pc"
fill sheafConfig.cmake "$libdir/cmake/sheaf/sheafConfig.cmake"
fill sheafConfigVersion.cmake "$libdir/cmake/sheaf/sheafConfigVersion.cmake"
echo "sheaf $version installed in $root"
