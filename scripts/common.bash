# Each script begins with this: `. "$(dirname "$0")/common.bash"`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export RUST_BACKTRACE=1

# Prints a command, and how long the script has run, and runs it.
step() {
    printf '\n== %s  [%s s]\n' "$*" "$SECONDS"
    "$@"
}
