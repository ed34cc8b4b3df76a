#!/bin/bash
# download has what a server on this machine gives, leaves nothing of what is late, and stops on
# Ctrl-C.
. examples/programs/expect.sh
server=$OLDPWD/examples/programs/download_server.py

if ! command -v python3 >/dev/null; then
    echo "SKIPPED download_test: python3 is not installed"
    exit 0
fi
export no_proxy=127.0.0.1

expect_manners --number=0 --time=0 --time=x --number=1000
expect 2
expect_line 'it takes URLs'
expect 2 http://h/a.png http://h/b/a.png?size=2
expect_line 'another URL goes to ./a.png too'

python3 "$server" >port &
server_pid=$!
trap 'kill "$server_pid"; exit "$failed"' EXIT
until [ -s port ]; do
    kill -0 "$server_pid" || exit 1
    sleep 0.02
done
url=http://127.0.0.1:$(cat port)

# The server gives as many bytes as the name says, of a known kind.
bytes() {
    head -c "$1" /dev/zero | tr '\0' x
}
urls=()
for i in $(seq 20); do urls+=("$url/images/$((i * 1000)).png?from=here"); done
mkdir images
expect 0 --directory=images --number=3 --time=200 "${urls[@]}"
for i in $(seq 20); do
    bytes $((i * 1000)) | cmp - "images/$((i * 1000)).png" || fail "image $i"
done
[ "$(find images -type f | wc -l)" = 20 ] || fail "there is more: $(ls images)"
grep -qx 'images/7000.png: 7000 bytes' out || fail "it says: $(cat out)"
[ "$(cat peak)" -le 3 ] || fail "more than 3 at once: $(cat peak)"

expect 0 "$url/redirect"
bytes 123 | cmp - redirect || fail "redirected"
expect 0 "$url"
bytes 5 | cmp - index.html || fail "without a path"

# One that stalls in its middle is cut off, one that is not there is told, the others arrive.
mkdir some
begin=$SECONDS
expect 1 --directory=some "$url/stall.png" "$url/missing.png" "$url/10.png"
[ $((SECONDS - begin)) -lt 60 ] || fail "the limit came late"
[ "$(ls some)" = 10.png ] || fail "there is: $(ls some)"
[ "$(wc -l <err)" = 2 ] || fail "not a line each: $(cat err)"
grep -q '^download: .*/stall.png: the time limit has passed$' err || fail "late: $(cat err)"
grep -q '^download: .*/missing.png: .*404' err || fail "missing: $(cat err)"

expect 1 "file://$PWD/port"
expect_line '^download: file:'
[ ! -e port.part ] || fail "part of a file is left"
expect 1 --directory=missing/folder "$url/10.png"
expect_line 'No such file or directory$'

# Ctrl-C: what runs is stopped, its file removed.
expect_interrupt '[ -e stall.png.part ] && [ -s out ]' --time=600 "$url/11.png" "$url/stall.png"
grep -qx './11.png: 11 bytes' out || fail "the one that was complete: $(cat out)"
grep -qx 'download: stopped after 1 of 2 files' err || fail "it says: $(cat err)"
[ ! -e stall.png.part ] || fail "part of a file is left"
