# shellcheck shell=sh
# Functions and variables that the scripts share. Each script begins with: . "$(dirname "$0")/lib.sh"
# shellcheck disable=SC2034  # the scripts that source this file use the variables

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
script=${0##*/}
# pip options: only wheels that run on the base image of scripts/images, on whatever machine pip runs.
wheels_of_the_base="--only-binary=:all: --python-version=3.11 --platform=manylinux_2_35_x86_64 --platform=manylinux_2_28_x86_64
    --platform=manylinux_2_17_x86_64 --platform=manylinux2014_x86_64"
export DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore

say() { printf '%s: %s\n' "$script" "$*" >&2; }

# fail CODE MESSAGE: exit codes are those of ivdocker; 3 means "this machine cannot do it".
fail() {
    code=$1
    shift
    say "error: $*"
    exit "$code"
}

have() { command -v "$1" >/dev/null 2>&1; }

now() { date +%s; }

is_root() { [ "$(id -u)" -eq 0 ]; }

can_install() { is_root && have apt-get; }

# limit SECONDS COMMAND...: without timeout(1), as on macOS, the command runs without a limit.
limit() {
    if have timeout; then timeout --kill-after=5 "$@"; else shift && "$@"; fi
}

# quietly COMMAND...: shows the command's output only if it fails.
quietly() {
    output=$(mktemp)
    status=0
    "$@" >"$output" 2>&1 </dev/null || status=$?
    [ "$status" -eq 0 ] || tail -n 40 "$output" >&2
    rm -f "$output"
    return "$status"
}

# install_packages NAME...: call can_install first.
install_packages() {
    say "apt-get install $*"
    quietly apt-get update || say "apt-get update failed; trying with the lists that are there"
    quietly apt-get install --yes --no-install-recommends "$@"
}

content_hash() { if have sha256sum; then sha256sum; else shasum -a 256; fi | cut -c 1-16; }

# find_python CODE: prints the path of the first Python 3.10 or later that runs CODE without an error.
find_python() {
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python3.10 /usr/bin/python3; do
        if "$candidate" -c "import sys; assert sys.version_info >= (3, 10); $1" >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# setup_venv EXTRA: makes .venv in the checkout with ivdocker and that extra, unless it is up to date.
setup_venv() {
    venv=$root/.venv
    wanted="$root $1 $(cat "$root"/setup.cfg "$root"/setup.py 2>/dev/null | content_hash)"
    if [ "$(cat "$venv/installed-for" 2>/dev/null)" = "$wanted" ]; then return; fi
    started=$(now)
    if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        if ! python=$(find_python "import venv, ensurepip"); then
            python=$(find_python pass) || fail 3 "no Python 3.10 or later found: install one and put it on PATH"
            can_install || fail 3 "$python has no venv module: install your system's python3-venv package"
            install_packages python3-venv || fail 3 "python3-venv could not be installed: see the lines above"
            python=$(find_python "import venv, ensurepip") || fail 3 "$python still has no venv module: install it for that Python"
        fi
        quietly "$python" -m venv --clear "$venv" || fail 3 "$python could not make $venv: see the lines above"
    fi
    quietly "$venv/bin/python" -m pip install --editable "${root}[$1]" ||
        fail 3 "pip could not install ivdocker[$1]: see the lines above"
    printf '%s\n' "$wanted" >"$venv/installed-for"
    say "$("$venv/bin/python" --version) with ivdocker[$1] in $venv, $(($(now) - started)) s"
}

# Every script answers --help with the comment at its beginning.
case ${1:-} in
-h | --help)
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac
