#!/usr/bin/env bash
# Runs the tests in the release profile, so that they share the build of the dependencies with the programs that the
# virtual machines run. `--all` adds the long scenarios (#[ignore]). The last line counts the tests.
set -euo pipefail
cd "$(dirname "$0")/.."

which=normal
[ "${1:-}" != --all ] || which=all

if [ "$(id -u)" -ne 0 ]; then
    # Tests named root_* make loop devices and mounts: the test programs run as root, the build does not.
    command -v sudo >/dev/null || { echo "make test: cannot RUN the root_* tests: neither root nor sudo" >&2; exit 1; }
    export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="sudo -E"
fi

if command -v cargo-nextest >/dev/null; then
    echo "make test: $which tests through cargo nextest"
    # nextest runs no doctests.
    cargo test --release --locked --workspace --doc --quiet
    arguments=()
    [ $which = normal ] || arguments=(--run-ignored all)
    exec cargo nextest run --cargo-profile release --locked --workspace --no-fail-fast "${arguments[@]}"
fi

echo "make test: $which tests through cargo test"
arguments=()
[ $which = normal ] || arguments=(-- --include-ignored)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
code=0
cargo test --release --locked --workspace --no-fail-fast "${arguments[@]}" 2>&1 | tee "$log" || code=$?
# cargo closes each test program on its own; this is their sum.
awk '/^test result:/ { passed += $4; failed += $6; skipped += $8 }
     END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }' "$log"
exit "$code"
