# lib.sh - what the project's scripts share. Sourced, never run:
#
#     . "$(dirname "$0")/lib.sh"
#
# It moves to the top of the source tree, so that every script works from any
# directory; CALLER_DIR keeps where the user stood.
# shellcheck shell=sh

# The scripts that source this read these.
# shellcheck disable=SC2034
CALLER_DIR=$(pwd)
cd "$(dirname "$0")/.." || exit 1

# meson and ninja speak the user's language; our parsers speak C.
LC_ALL=C
export LC_ALL

# Colours on a terminal only, and never under NO_COLOR (no-color.org).
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    BOLD=$(printf '\033[1m')
    DIM=$(printf '\033[2m')
    RED=$(printf '\033[31m')
    GREEN=$(printf '\033[32m')
    YELLOW=$(printf '\033[33m')
    PLAIN=$(printf '\033[0m')
else
    BOLD='' DIM='' RED='' GREEN='' YELLOW='' PLAIN=''
fi

say()
{
    printf '%s\n' "$*"
}

warn()
{
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die()
{
    warn "$*"
    exit 1
}

have()
{
    command -v "$1" >/dev/null 2>&1
}

# Milliseconds of wall time; whole seconds where date has no %N.
now_ms()
{
    now=$(date +%s%3N)
    case $now in
    *[!0-9]*) now=$(date +%s)000 ;;
    esac
    printf '%s\n' "$now"
}

# since_ms START: the time since then, as "1.23 s".
since_ms()
{
    awk -v a="$1" -v b="$(now_ms)" 'BEGIN { printf "%.2f s", (b - a) / 1000 }'
}

# setup DIR [OPTION...]: configures a build directory once. One that a broken
# first attempt left behind, or that another version of meson made, is made
# anew.
setup()
{
    setup_dir=$1
    shift
    if [ -f "$setup_dir/build.ninja" ]; then
        return 0
    fi
    rm -rf "$setup_dir"
    meson setup "$setup_dir" "$@"
}
