#!/bin/sh
# Installs what is missing: `scripts/install.sh NAME...`, run by the Makefile. Prints what it installs, and nothing where
# nothing is missing.
#
#   wasm        what compiles converters to WebAssembly
#   python      a virtual environment in $TOOLS/venv with the packages of tests/requirements.txt
#   npm         the programs of tests/npm in $TOOLS/npm
#   checkov     a virtual environment in $TOOLS/checkov-venv with the package of tests/checkov.txt, whose dependencies would
#               not get along with those of the others
#   words       a virtual environment in $TOOLS/words-venv with the package of tests/words.txt, which checks spelling
#   judges      a virtual environment in $TOOLS/judges-venv with the packages of tests/judges.txt: what writes Parquet
#   benches     another one in $TOOLS/bench-venv with those of benches/requirements.txt
#   jq          the one in PATH, or else Debian's
#   valgrind    what counts instructions, as $TOOLS/bin/valgrind: the one in PATH, or else Debian's, unpacked as the next one
#   `shellcheck`
#               the one in PATH, or else unpacked from its Debian package into $TOOLS/debian, where it touches nothing
#               of the system
#   influxd-1, influxd-2, versitygw, toxiproxy-server, aws-lambda-rie, telegraf
#               the server of this name, linked as $TOOLS/bin/NAME: the one that INFLUXD_1, INFLUXD_2, VERSITYGW,
#               TOXIPROXY_SERVER, AWS_LAMBDA_RIE or TELEGRAF names, else the one in PATH if it is of the version that
#               tests/servers pins, else one that is unpacked from its Debian package (influxd-1) or built (the others)
#   chromium    a browser, linked as $TOOLS/bin/chromium: the one that CHROMIUM names, else the one in PATH, else Debian's, unpacked
#               into $TOOLS/chromium
#   rust-arm64, qemu-arm64
#               what builds programs for arm64 here where rustup has not installed that target, and what runs them
set -eu

cd "$(dirname "$0")/.."
TOOLS=${TOOLS:-$PWD/target/tools}

say() {
    printf '%s\n' "install: $*"
}

fail() {
    printf '%s\n' "install: $1" "hint: $2" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

can_be_root() {
    [ "$(id -u)" -eq 0 ] || has sudo
}

# Runs an apt command; where it fails, once more after an update of the package lists, which may be old or missing.
with_fresh_lists() {
    "$@" >"$TOOLS/apt.log" 2>&1 && return
    say "updating the lists of Debian packages"
    if can_be_root && as_root apt-get update --quiet --quiet && "$@" >"$TOOLS/apt.log" 2>&1; then
        return
    fi
    cat "$TOOLS/apt.log" >&2
    return 1
}

apt_install() {
    say "Debian packages $*"
    with_fresh_lists as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"
}

# Unpacks a Debian package without installing it.
apt_unpack() {
    say "Debian package $1, unpacked into $TOOLS/debian"
    packages=$TOOLS/packages
    rm -rf "$packages"
    mkdir -p "$packages" "$TOOLS/debian"
    (cd "$packages" && with_fresh_lists apt-get download -o APT::Sandbox::User=root "$1")
    dpkg-deb --extract "$packages"/*.deb "$TOOLS/debian"
    rm -rf "$packages"
}

install_jq() {
    if has jq; then
        return
    fi
    { has apt-get && can_be_root; } || fail "\`jq\` is not in PATH" "install jq"
    apt_install jq
}

install_shellcheck() {
    if [ -x "$TOOLS/debian/usr/bin/shellcheck" ] || has shellcheck; then
        return
    fi
    has apt-get || fail "\`shellcheck\` is not in PATH, and there is no apt-get to install it" "install ShellCheck"
    apt_unpack shellcheck
}

# Not a link: Debian's is a script that looks for the program beside the name by which it was called.
install_valgrind() {
    if has valgrind; then
        start="exec $(command -v valgrind)"
    else
        has apt-get || fail "\`valgrind\` is not in PATH, and there is no apt-get to install it" "install Valgrind"
        [ -x "$TOOLS/debian/usr/bin/valgrind.bin" ] || apt_unpack valgrind
        # It looks for its tools where Debian installs them.
        start="VALGRIND_LIB=$TOOLS/debian/usr/libexec/valgrind exec $TOOLS/debian/usr/bin/valgrind.bin"
    fi
    rm -f "$TOOLS/bin/valgrind"
    printf '#!/bin/sh\n%s "$@"\n' "$start" >"$TOOLS/bin/valgrind"
    chmod +x "$TOOLS/bin/valgrind"
}

# Makes the virtual environment $1 with the packages of the file $2.
install_python() {
    if cmp -s "$2" "$1/installed.txt"; then
        return
    fi
    say "Python packages of $2, in $1"
    # Debian has the module `venv`, and what it needs, in a package of its own.
    if ! python3 -m venv --clear "$1" >"$TOOLS/venv.log" 2>&1; then
        { has apt-get && can_be_root; } || {
            cat "$TOOLS/venv.log" >&2
            fail "\`python3 -m venv\` does not work" "install Python 3 with its module \`venv\`"
        }
        apt_install python3-venv
        python3 -m venv --clear "$1"
    fi
    "$1/bin/python3" -m pip install --quiet --disable-pip-version-check --requirement "$2"
    cp "$2" "$1/installed.txt"
}

install_npm() {
    if cmp -s tests/npm/package-lock.json "$TOOLS/npm/installed.json"; then
        return
    fi
    has npm || fail "there is no \`npm\`" "install Node.js with npm"
    say "npm packages of tests/npm, in $TOOLS/npm"
    mkdir -p "$TOOLS/npm"
    cp tests/npm/package.json tests/npm/package-lock.json "$TOOLS/npm"
    npm ci --silent --no-audit --no-fund --ignore-scripts --prefix "$TOOLS/npm"
    cp tests/npm/package-lock.json "$TOOLS/npm/installed.json"
}

# Either the standard library for wasm32-unknown-unknown stands beside that of the toolchain, or Debian's toolchain for
# the web builds it; converters are built with the one that exists.
install_wasm() {
    has cargo || fail "there is no Rust toolchain" "see https://rustup.rs"
    if [ -d "$(rustc --print target-libdir --target wasm32-unknown-unknown)" ]; then
        return
    fi
    if [ -x /usr/bin/cargo ] && [ -x /usr/bin/rustc ] && [ -x /usr/bin/wasm-ld ] &&
        [ -d /usr/lib/rustlib/src/rust/library ]; then
        return
    fi
    say "the toolchain has no standard library for wasm32-unknown-unknown"
    { has apt-get && can_be_root; } || fail "nothing here compiles converters" "rustup target add wasm32-unknown-unknown"
    apt_install rustc-web cargo-web rust-web-src lld ||
        fail "Debian's toolchain for WebAssembly cannot be installed" "rustup target add wasm32-unknown-unknown"
}

# shellcheck source=scripts/servers.sh
. scripts/servers.sh
# shellcheck source=scripts/debian.sh
. scripts/debian.sh
# shellcheck source=scripts/arm64.sh
. scripts/arm64.sh
# shellcheck source=scripts/chromium.sh
. scripts/chromium.sh

mkdir -p "$TOOLS"
TOOLS=$(realpath "$TOOLS")
for name in "$@"; do
    case $name in
    wasm) install_wasm ;;
    python) install_python "$TOOLS/venv" tests/requirements.txt ;;
    npm) install_npm ;;
    checkov) install_python "$TOOLS/checkov-venv" tests/checkov.txt ;;
    words) install_python "$TOOLS/words-venv" tests/words.txt ;;
    judges) install_python "$TOOLS/judges-venv" tests/judges.txt ;;
    benches) install_python "$TOOLS/bench-venv" benches/requirements.txt ;;
    jq) install_jq ;;
    shellcheck) install_shellcheck ;;
    valgrind) install_valgrind ;;
    influxd-1) install_influxd_1 ;;
    # In a shell of its own, since a build sets variables that are not for what comes after it.
    influxd-2 | versitygw | toxiproxy-server | aws-lambda-rie | telegraf) (install_server "$name") ;;
    chromium) install_chromium ;;
    rust-arm64) install_rust_arm64 ;;
    qemu-arm64) install_qemu_arm64 ;;
    *) fail "unknown name: $name" "the names are at the top of this file" ;;
    esac
done
