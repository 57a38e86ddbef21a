#!/usr/bin/env bash
# Installs the system packages that Postlode needs and that are missing. Instant when all are there.
#
# usage: setup.sh build|test|demo
#   build  what a build needs
#   test   also what the tests compare our archives with
#   demo   also what the demonstration calls
set -euo pipefail

what=${1:-build}

# Each: the package, and a command that succeeds when it need not be installed.
needed=()
need() {
    local package=$1
    shift
    if ! "$@" >/dev/null 2>&1; then
        needed+=("$package")
    fi
}

has() { command -v "$1"; }

need gcc has cc
need libc6-dev test -e /usr/include/stdio.h
need pkg-config has pkg-config
if ! pkg-config --exists libpff 2>/dev/null; then
    need libpff-dev test -e /usr/include/libpff.h
fi
if [ "$what" = test ]; then
    need redis-server has redis-server
    need pst-utils has readpst
    need pff-tools has pffexport
    need python3-kaitaistruct /usr/bin/python3 -c 'import kaitaistruct'
    need python3-pip python3 -m pip --version
fi
if [ "$what" = demo ]; then
    need curl has curl
fi

if [ ${#needed[@]} -gt 0 ]; then
    install="apt-get install -y --no-install-recommends ${needed[*]}"
    if ! has apt-get >/dev/null; then
        echo "These are missing: ${needed[*]} (names of Debian packages). Install them and try again." >&2
        exit 1
    fi
    as=()
    if [ "$(id -u)" -ne 0 ]; then
        if has sudo >/dev/null && sudo -n true 2>/dev/null; then
            as=(sudo -n)
        else
            echo "System packages are missing. Run this, then try again:" >&2
            echo "    sudo apt-get update && sudo $install" >&2
            exit 1
        fi
    fi
    echo "installing ${needed[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    # The lists may be old or absent on a fresh machine: they are fetched only where the first try fails.
    if ! "${as[@]}" $install >/dev/null 2>&1; then
        "${as[@]}" apt-get update >&2
        "${as[@]}" $install >&2
    fi
fi

if ! has cargo >/dev/null; then
    if [ -x "$HOME/.cargo/bin/cargo" ]; then
        echo "Rust is installed but not in the PATH. Run this, then try again:" >&2
        echo "    . \"$HOME/.cargo/env\"" >&2
    else
        echo "Rust is missing: install it from https://rustup.rs, then try again." >&2
    fi
    exit 1
fi
