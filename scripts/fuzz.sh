#!/bin/bash
# Builds the fuzz targets with the stable toolchain and runs each for some time. libFuzzer and LLVM's coverage counters
# need no nightly; the address sanitizer would, but nothing here is unsafe.
# usage: scripts/fuzz.sh [SECONDS [TARGET…]]
set -euo pipefail
top=$(dirname "$(readlink -f "$0")")/..
seconds=${1:-600}
shift || true
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
	mapfile -t targets < <(basename -s .rs "$top"/fuzz/targets/*.rs)
fi
target_directory=${CARGO_TARGET_DIR:-$top/target}/fuzz
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
# With --target build scripts and macros of the host go without counters, which only libFuzzer's own main provides.
host=$(rustc -vV | sed -n 's/^host: //p')
cargo build --release --locked --manifest-path "$top/fuzz/Cargo.toml" --target "$host" --target-dir "$target_directory"
for target in "${targets[@]}"; do
	corpus=$target_directory/corpus/$target
	findings=$target_directory/findings/$target
	mkdir -p "$corpus" "$findings"
	echo "fuzzing $target for $seconds s"
	"$target_directory/$host/release/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
		-print_final_stats=1 -artifact_prefix="$findings/" "$corpus" "$top/fuzz/seeds/$target"
done
