# SPDX-License-Identifier: GPL-3.0-only
# Sourced by scripts/quickstart and scripts/test: messages, packages, build. POSIX shell.

say() { printf '\033[1m==>\033[0m %s\n' "$*" | { if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9]*m//g'; fi; }; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# Debian packages, by what they are for. Qt's own packages forget two of each other (httpserver needs websockets, charts
# needs opengl), so those are named too.
packages_build='build-essential cmake ninja-build pkg-config qt6-base-dev qt6-httpserver-dev qt6-websockets-dev
    libcurl4-openssl-dev libtomlplusplus-dev prometheus-cpp-dev zlib1g-dev libpcre2-dev
    nlohmann-json3-dev libcli11-dev'
packages_gui='qt6-charts-dev libqt6opengl6-dev qt6-svg-dev libgl-dev qt6-qpa-plugins'
packages_run='ca-certificates curl python3'
packages_test='doctest-dev python3-venv xvfb xauth'

# Installs those of the named packages that are missing, and says which.
install_packages() {
    missing=
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null)" = 'ii ' ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" = 0 ]; then as_root=; elif command -v sudo >/dev/null; then as_root=sudo; else
        die "these packages are missing and this is neither root nor a machine with sudo; install them with: apt-get install$missing"
    fi
    command -v apt-get >/dev/null || die "apt-get was not found: Cortex is built on Debian 12 or later; the packages it needs are:$missing"
    say "Installing Debian packages:$missing"
    $as_root apt-get update -q >/dev/null || die "apt-get update failed: check the network and /etc/apt/sources.list"
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing ||
        die "apt-get could not install:$missing"
}

# Configures build/release once, later only what changed, and builds the named targets (all, without names).
# configure_options holds further -D options.
build_release() {
    say "Building (build/release)"
    mkdir -p build
    cmake --preset release ${configure_options:-} >build/configure.log 2>&1 || { tail -n 20 build/configure.log >&2; die "cmake failed; the whole output is in build/configure.log"; }
    cmake --build build/release ${1:+--target "$@"} || die "the build failed"
}
