#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# make lint: a clang build (noderef: no pointer into a region is touched but
# through shm/shared.h), clang-tidy, cppcheck, shellcheck, and white space.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0

part()
{
	printf 'lint: %s\n' "$1"
	shift
	"$@" || { failed=1; printf 'lint: FAILED: %s\n' "$*"; }
}

clang_build()
{
	[ -f build-clang/build.ninja ] ||
		CC=clang meson setup build-clang >build-clang.log 2>&1 || { cat build-clang.log; return 1; }
	rm -f build-clang.log
	ninja -C build-clang >build-clang/build.log 2>&1 || { grep -A5 -E 'error|warning' build-clang/build.log; return 1; }
}

# Not what is for another DPDK than this one.
built()
{
	local file

	while read -r file; do
		! grep -qF "\"../$file\"" build-clang/compile_commands.json || printf '%s\n' "$file"
	done
}

tidy()
{
	git ls-files '*.c' | grep -E '^(shm|guest|host|bench)/' | built |
		xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p build-clang 2>/dev/null |
		grep -E 'error:|warning:' && return 1
	return 0
}

check_cpp()
{
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr \
		--enable=warning,performance,portability \
		--suppress=missingIncludeSystem \
		-Iproto -Ishm -Ihost -Iguest -D__x86_64__ -D__GNUC__=12 \
		-D__BYTE_ORDER__=1 -D__ORDER_LITTLE_ENDIAN__=1 \
		'-Djson_array_foreach(a,b,c)=for(;;)' '-Djson_object_foreach(a,b,c)=for(;;)' \
		shm guest host bench
}

scripts()
{
	git ls-files '*.sh' .ci/run | xargs shellcheck -x -S warning
}

white_space()
{
	! git grep -nIE '[[:blank:]]+$' -- '*.c' '*.h' '*.sh' '*.build' '*.md' GNUmakefile
}

spdx()
{
	local missing

	missing=$(git ls-files '*.c' '*.h' '*.sh' '*.build' GNUmakefile |
		xargs grep -L 'SPDX-License-Identifier: BSD-3-Clause')
	[ -z "$missing" ] || { printf '%s: no SPDX line\n' $missing; return 1; }
}

part "clang build, -Werror=noderef" clang_build
part clang-tidy tidy
part cppcheck check_cpp
part shellcheck scripts
part "white space" white_space
part "SPDX lines" spdx
[ "$failed" -eq 0 ] && echo 'lint: clean'
exit "$failed"
