#!/bin/sh
# SPDX-License-Identifier: MIT
# promises.sh - each case that tests/README.md names is there.
set -u

cd "$(dirname "$0")/../.." || exit
bad=0
named=$(sed -n 's/^- \(tests\/[^:]*\): \(.*\)$/\1|\2/p' tests/README.md)
test "$named" || exit

while IFS='|' read -r file name; do
	case $file in
	*.txt) grep -qF "| $name" "$file" ;;
	*) grep -qF "\"$name\"" "$file" ;;
	esac && continue
	echo "tests/README.md: no such case in $file: $name"
	bad=1
done <<END
$named
END
exit $bad
