# shellcheck shell=sh
# What builds and runs programs for arm64 on x86-64, for install.sh. All of it is from Debian's packages, unpacked into
# $TOOLS/arm64, where it touches nothing of the system: Rust in the version that the workspace needs, for both processors, with the
# C library that it is linked with, whatever that of this machine is; QEMU; and what arm64 programs are linked with.

DEBIAN_SUITE=trixie
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

install_rust_arm64() {
    [ ! -x "$TOOLS/arm64/rustc" ] || return 0
    say "Debian's Rust for arm64, unpacked into $TOOLS/arm64; 150 MB are downloaded"
    open_debian
    with_dependencies libstd-rust-web-dev
    # Not what they depend on: compilers and libraries that nothing here is linked with.
    alone rustc-web libstd-rust-web-dev:arm64
    unpack_debian "$TOOLS/arm64"
    close_debian
    # cargo-lambda would have rustup download the target. This is for the front of PATH.
    mkdir -p "$TOOLS/arm64/bin"
    write_script bin/rustup <<END
[ "\$*" = "target list --installed" ] || { echo "rustup is not used here: \$*" >&2; exit 1; }
echo aarch64-unknown-linux-gnu
END
    # Calls the compiler by the loader and with the libraries that it was made for. Cargo, of whichever origin, runs it as a
    # wrapper of another compiler, whose name is the first argument.
    write_script rustc <<END
shift
root=$TOOLS/arm64/usr
exec "\$root/lib64/ld-linux-x86-64.so.2" --library-path "\$root/lib/x86_64-linux-gnu" "\$root/bin/rustc" --sysroot "\$root" "\$@"
END
}

install_qemu_arm64() {
    [ ! -x "$TOOLS/arm64/qemu" ] || return 0
    say "Debian's QEMU for arm64, unpacked into $TOOLS/arm64; 80 MB are downloaded"
    open_debian
    with_dependencies libc6:arm64 libgcc-s1:arm64
    unpack_debian "$TOOLS/arm64/system"
    alone qemu-user
    unpack_debian "$TOOLS/arm64/system" ./usr/bin/qemu-aarch64
    close_debian
    # Debian's /lib is a link, which is in a package of its own.
    ln -sfn usr/lib "$TOOLS/arm64/system/lib"
    write_script qemu <<END
root=$TOOLS/arm64/system
exec "\$root/usr/bin/qemu-aarch64" -L "\$root" "\$@"
END
}

# Writes what is on standard input as a script $TOOLS/arm64/$1.
write_script() {
    { printf '#!/bin/sh\n' && cat; } >"$TOOLS/arm64/$1.new"
    chmod +x "$TOOLS/arm64/$1.new"
    mv "$TOOLS/arm64/$1.new" "$TOOLS/arm64/$1"
}

# Starts with package lists of its own: of $DEBIAN_SUITE, from the mirror that this machine uses, as if nothing was installed.
open_debian() {
    has apt-get || fail "there is no apt-get" "rustup target add aarch64-unknown-linux-gnu"
    [ -e $KEYRING ] || fail "$KEYRING does not exist" "apt-get install debian-archive-keyring"
    mirror=$(apt-get indextargets --format "\$(REPO_URI)" | grep --max-count 1 '/debian/$' || true)
    apt=$TOOLS/arm64/apt
    rm -rf "$apt"
    mkdir -p "$apt/lists/partial" "$apt/archives/partial"
    : >"$apt/status"
    printf 'deb [signed-by=%s] %s %s main\n' $KEYRING "${mirror:-http://deb.debian.org/debian/}" $DEBIAN_SUITE >"$apt/sources.list"
    cat >"$apt/apt.conf" <<END
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "";
Acquire::Languages "none";
Dir::Cache "$apt";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::Etc::SourceList "$apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State "$apt";
Dir::State::Status "$apt/status";
END
    debian apt-get update
}

# Runs an apt command with these lists.
debian() {
    (cd "$apt/archives" && APT_CONFIG=$apt/apt.conf "$@" >"$apt/log" 2>&1) || {
        cat "$apt/log" >&2
        fail "\`$*\` fails" "Debian's mirror has to be reached"
    }
}

with_dependencies() {
    debian apt-get install --yes --no-install-recommends --download-only "$@"
}

alone() {
    debian apt-get download "$@"
}

# Unpacks what was downloaded into the directory $1: everything, or else the members that follow.
unpack_debian() {
    root=$1
    shift
    mkdir -p "$root"
    for package in "$apt"/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar --extract --directory "$root" --no-same-owner "$@"
        rm "$package"
    done
}

close_debian() {
    rm -rf "$apt"
}
