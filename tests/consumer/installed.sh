#!/bin/sh
# Builds programs against an installed sheaf in every way that users have, and runs them.
#
#   installed.sh FOLDER     installs there, in folders of its own, and takes it away again
#
# Needs: pkg-config, gcc, g++; cmake
set -eu

work=$(mkdir -p "$1" && cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

says_thirty() { # how, program
    [ "$("$2")" = "sum of squares: 30" ] || { echo "$1: wrong output" >&2; exit 1; }
    echo "$1"
}

prefix=$work/prefix
LIBDIR=lib/somewhere ./bazelw run -c opt //:install -- "$prefix"
libdir=$prefix/lib/somewhere
export PKG_CONFIG_PATH="$libdir/pkgconfig" LD_LIBRARY_PATH="$libdir"

# shellcheck disable=SC2046
gcc -std=c11 -o "$work/shared" "$here/app.c" $(pkg-config --cflags --libs sheaf)
says_thirty "pkg-config, shared" "$work/shared"
# shellcheck disable=SC2046
gcc -std=c11 -static -o "$work/static" "$here/app.c" $(pkg-config --static --cflags --libs sheaf)
says_thirty "pkg-config, fully static" "$work/static"
gcc -std=c11 -I "$prefix/include" -o "$work/archive" "$here/app.c" "$libdir/libsheaf.a" -pthread
says_thirty "the archive by its name" "$work/archive"
# shellcheck disable=SC2046
g++ -std=c++17 -o "$work/plusplus" "$here/app.cc" $(pkg-config --cflags --libs sheaf)
says_thirty "pkg-config, C++" "$work/plusplus"

# Each function has a page; of those whose names carry a size it has the name without.
sed -n 's/^T \(sheaf_[a-z0-9_]*\)@@.*/\1/p' tests/golden/symbols.txt | sed 's/\(_[0-9][0-9]*\)*$//' |
    while read -r function; do
        [ -s "$prefix/share/man/man3/$function.3" ] || { echo "no page for $function" >&2; exit 1; }
    done
grep -q 'Waits for the future and hands out its outcome' "$prefix/share/man/man3/sheaf_await.3"
echo "man pages"
SHEAF_TRACE=$work/trace.json says_thirty "traced" "$work/static"
"$prefix/share/sheaf/trace/view" "$work/trace.json" | grep -q '"ph":"B"'
echo "a page of a trace"

unset LD_LIBRARY_PATH
cmake -S "$here/cmake" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$libdir/cmake" >"$work/cmake.log"
cmake --build "$work/cmake" >>"$work/cmake.log"
for target in shared static plusplus; do
    says_thirty "CMake, $target" "$work/cmake/$target"
done

# Into a staging folder, as packages are made.
DESTDIR=$work/staging ./bazelw run -c opt //:install -- /usr
[ -f "$work/staging/usr/include/sheaf.h" ] && [ ! -e "$work/staging$work" ]

LIBDIR=lib/somewhere ./bazelw run -c opt //:install -- --uninstall "$prefix"
left=$(find "$prefix" ! -type d)
[ -z "$left" ] || { echo "left behind: $left" >&2; exit 1; }
echo "uninstalled"

# As Debian packages, of which nothing is left either.
unset PKG_CONFIG_PATH
./bazelw run -c opt //:deb -- "$work/debs"
dpkg -i "$work"/debs/*.deb
trap 'dpkg -P libsheaf-dev libsheaf0' EXIT
# shellcheck disable=SC2046
gcc -std=c11 -o "$work/packaged" "$here/app.c" $(pkg-config --cflags --libs sheaf)
says_thirty "Debian packages" "$work/packaged"
dpkg -P libsheaf-dev libsheaf0
trap - EXIT
left=$(find /usr/include/sheaf* /usr/lib/*/libsheaf* /usr/share/sheaf 2>/dev/null || true)
[ -z "$left" ] || { echo "left behind: $left" >&2; exit 1; }
echo "packages removed"
