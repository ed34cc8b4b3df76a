#!/bin/sh
# Compares what the shared library exports with the golden list, and looks at its other promises.
#
# After a wanted change of the API record the list anew: tools/record
# Usage: symbols_test.sh GOLDEN LIBSHEAF.SO SONAME ARCHIVE...
set -eu

golden=$1 library=$2 soname=$3
shift 3
failed=0

fail() {
    echo "FAILED: $*" >&2
    failed=1
}

exported=$(nm --dynamic --defined-only --extern-only "$library" | awk '{ print $2, $3 }' | LC_ALL=C sort)
[ -n "$exported" ] || fail "$library exports nothing"
echo "$exported" | diff -u "$golden" - ||
    fail "the exported symbols differ from $golden; wanted? then run tools/record"

foreign=$(echo "$exported" | grep -v -e ' sheaf_[a-z]' -e '^A SHEAF_' || true)
[ -z "$foreign" ] || fail "exported under a foreign name: $foreign"

# A program that links the archive shares one name space with all of its globals.
for archive; do
    case $archive in
        *.a) ;;
        *) continue ;;
    esac
    foreign=$(nm --defined-only --extern-only "$archive" | awk 'NF == 3 { print $3 }' |
        grep -v '^sheaf_' || true)
    [ -z "$foreign" ] || fail "$archive defines globals under a foreign name: $foreign"
done

# Nothing runs when the library is loaded or unloaded, but what the C library's start-up files do.
for archive; do
    case $archive in
        *.a) ;;
        *) continue ;;
    esac
    started=$(readelf --sections --wide "$archive" |
        grep -E '[.](preinit_array|init_array|fini_array|ctors|dtors|init|fini)([. ]|$)' || true)
    [ -z "$started" ] || fail "$archive has constructors or destructors: $started"
done

dynamic=$(readelf --dynamic --wide "$library")
echo "$dynamic" | grep -q "SONAME.*\[$soname\]" || fail "$library has not the soname $soname"
needed=$(echo "$dynamic" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
    grep -v -e '^libc\.so' -e '^ld-linux' || true)
[ -z "$needed" ] || fail "$library needs more than libc: $needed"

readelf --program-headers --wide "$library" | grep 'GNU_STACK' | grep -q 'RW ' ||
    fail "$library asks for an executable stack"

exit "$failed"
