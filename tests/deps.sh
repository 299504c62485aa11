#!/bin/sh
# SPDX-License-Identifier: MIT
# deps.sh build|check|lint|bench|model|fuzz... - install the Debian packages that are
# missing.
# Each line of the table is a need, the packages that meet it, and a test for
# it; where every test succeeds, apt-get is not touched.
set -eu

missing=
need() {
	for want in $wants; do
		[ "$want" = "$1" ] || continue
		sh -c "$3" </dev/null >/dev/null 2>&1 || missing="$missing $2"
		return 0
	done
}

wants=$*
cc=${CC:-cc}
need build 'gcc libc6-dev' "echo '#include <stdio.h>' | $cc -E -"
need build make 'command -v make'
need build pkg-config 'command -v pkg-config'
need build libbsd-dev 'test -e /usr/include/bsd/bsd.h'
need build libjansson-dev 'test -e /usr/include/jansson.h'
need build libsmartcols-dev \
	'test -e /usr/include/libsmartcols/libsmartcols.h'
need check bats 'command -v bats'
need check bc 'command -v bc'
need check gcc-multilib "[ $(uname -m) != x86_64 ] ||
	echo 'int main(void) { return 0; }' | $cc -m32 -o /dev/null -x c -"
need check musl-tools 'command -v musl-gcc'
need check g++ 'command -v c++'
need check jq 'command -v jq'
need check mandoc 'command -v mandoc'
need check perl 'command -v perl'
need check socat 'command -v socat'
need check util-linux 'command -v setpriv && command -v unshare'
need bench mbuffer 'command -v mbuffer'
need bench netcat-openbsd 'nc -h 2>&1 | grep -q -- -U'
need bench pv 'command -v pv'
need bench socat 'command -v socat'
need model 'gcc libc6-dev' "echo '#include <stdio.h>' | $cc -E -"
need model spin 'command -v spin'
need fuzz clang 'command -v clang'
need fuzz libclang-rt-dev \
	'ls "$(clang -print-resource-dir)"/lib/*/libclang_rt.fuzzer*'
need lint clang-format 'command -v clang-format'
need lint clang-tidy 'command -v clang-tidy'
need lint cppcheck 'command -v cppcheck'
need lint mandoc 'command -v mandoc'
need lint perl 'command -v perl'
need lint shellcheck 'command -v shellcheck'

[ "$missing" ] || exit 0
echo "installing:$missing"
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get -q update
# shellcheck disable=SC2086
$sudo apt-get -q install -y --no-install-recommends $missing
