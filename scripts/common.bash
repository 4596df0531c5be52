# Each script begins with this: `. "$(dirname "$0")/common.bash"`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export RUST_BACKTRACE=1

# Prints a command and runs it.
step() {
    printf '\n== %s\n' "$*"
    "$@"
}

# Runs `cargo test` with these arguments, and fails where no test matches: a filter that matches nothing passes otherwise.
step_with_tests() {
    cargo test "$@" --list 2>/dev/null | grep -q ': test$' || {
        echo "no test matches: cargo test $*" >&2
        exit 1
    }
    step cargo test "$@"
}
