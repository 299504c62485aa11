#!/bin/sh
# SPDX-License-Identifier: MIT
# lists.sh FILE... - each source, header, test and page in the tree is one that
# the Makefile lists, which are the arguments; and each file says its licence.
set -u

cd "$(dirname "$0")/../.." || exit
listed=$(printf '%s\n' "$@" | sort)
there=$(find lib bin include tests man completions -name '*.[ch1-9]' -o \
	-name '*.bats' -o -name '*.pml' -o -path 'completions/*/*' | sort)
bad=0

extra=$(printf '%s\n' "$there" "$listed" "$listed" | sort | uniq -u)
if [ "$extra" ]; then
	echo "not in the Makefile:" "$extra"
	bad=1
fi
for file in $there Makefile tests/run tests/*.sh tests/lint/* \
	tests/mutants/*.pl tests/mutants/*.sh tests/mutants/*.txt; do
	head -n 3 "$file" | grep -q 'SPDX-License-Identifier: MIT' && continue
	echo "$file: no SPDX-License-Identifier"
	bad=1
done
exit $bad
