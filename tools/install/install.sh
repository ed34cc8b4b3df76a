#!/bin/sh
# Copies the library into a prefix, or takes it away again:
#
#   bazel run -c opt //:install -- [--uninstall] PREFIX
#
# Environment: DESTDIR (staging folder), LIBDIR (default: lib).
set -eu

version='' soversion='' prefix='' uninstall=false
for arg; do
    case $arg in
        --version=*) version=${arg#*=} ;;
        --soversion=*) soversion=${arg#*=} ;;
        --uninstall) uninstall=true ;;
        -*) echo "install: unknown option $arg" >&2; exit 2 ;;
        *) prefix=$arg ;;
    esac
done
if [ -z "$prefix" ]; then
    echo "usage: bazel run -c opt //:install -- [--uninstall] PREFIX" >&2
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

if $uninstall; then
    # What this version installs, and folders of its own; the others are everybody's.
    rm -f "$root/include/sheaf.h" "$root/share/sheaf/gdb.py" "$root/$libdir/libsheaf.a" \
        "$root/share/sheaf/trace/view" "$root/share/sheaf/trace/page.html" \
        "$root/$libdir/libsheaf.so" "$root/$libdir/libsheaf.so.$soversion" \
        "$root/$libdir/libsheaf.so.$version" "$root/$libdir/pkgconfig/sheaf.pc" \
        "$root/$libdir/cmake/sheaf/sheafConfig.cmake" \
        "$root/$libdir/cmake/sheaf/sheafConfigVersion.cmake"
    for header in include/sheaf/*.h; do
        rm -f "$root/$header"
    done
    tar -t -f man.tar | grep '[.]3$' | while read -r page; do
        rm -f "$root/share/man/$page"
    done
    for folder in include/sheaf share/sheaf/trace share/sheaf "$libdir/cmake/sheaf"; do
        [ ! -d "$root/$folder" ] || rmdir --ignore-fail-on-non-empty "$root/$folder"
    done
    echo "sheaf $version uninstalled from $root"
    exit
fi

install -d "$root/include/sheaf" "$root/$libdir/pkgconfig" "$root/$libdir/cmake/sheaf" \
    "$root/share/sheaf/trace" "$root/share/man"
install -m 644 include/sheaf.h "$root/include/"
install -m 644 include/sheaf/*.h "$root/include/sheaf/"
install -m 644 "$archive" "$root/$libdir/libsheaf.a"
install -m 755 "lib/libsheaf.so.$version" "$root/$libdir/"
install -m 644 tools/gdb/sheaf.py "$root/share/sheaf/gdb.py"
install -m 755 tools/trace/view "$root/share/sheaf/trace/"
install -m 644 tools/trace/page.html "$root/share/sheaf/trace/"
tar -x -f man.tar -C "$root/share/man" --no-same-owner
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
