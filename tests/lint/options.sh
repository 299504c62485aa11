#!/bin/sh
# SPDX-License-Identifier: MIT
# options.sh BINDIR TOOL... - the options that a tool's --help lists, those in
# its page and those that bash offers are the same, in the same order.
set -u

cd "$(dirname "$0")/../.." || exit
bin=$1
shift
bad=0
tmp=$(mktemp -d) || exit
trap 'rm -rf "$tmp"' EXIT

# Each option as "-x" or "--long", one a line.
of_help() {
	"$bin/mmsock-$1" --help | sed -n 's/^  *\(-[^ ]*\( --[^ ]*\)\{0,1\}\).*/\1/p' |
		sed 's/[=[].*//; s/,//' | tr ' ' '\n'
}
of_page() {
	sed -n 's/^\.It Fl //p' "man/mmsock-$1.1" |
		sed 's/ Ns .*//; s/ Ar .*//; s/ , Fl /\n/; s/^/-/; s/\n/\n-/'
}
of_bash() {
	bash -c '. "$1" && _mmsock_options "$2"' - \
		"completions/bash/mmsock-$1" "mmsock-$1" | tr ' ' '\n'
}

for tool; do
	of_help "$tool" >"$tmp/help"
	of_page "$tool" >"$tmp/page"
	of_bash "$tool" >"$tmp/completion"
	for other in page completion; do
		diff -u --label "mmsock-$tool --help" --label $other \
			"$tmp/help" "$tmp/$other" || bad=1
	done
	test -s "$tmp/help" || { echo "mmsock-$tool: no options" && bad=1; }
done
exit $bad
