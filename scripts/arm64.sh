# shellcheck shell=sh
# What builds and runs programs for arm64 on x86-64, for install.sh. All of it is from Debian's packages, unpacked into
# $TOOLS/arm64, where it touches nothing of the system: Rust in the version that the workspace needs, for both processors, with the
# C library that it is linked with, whatever that of this machine is; QEMU; and what arm64 programs are linked with.

ARM64_SUITE=trixie

install_rust_arm64() {
    [ ! -x "$TOOLS/arm64/rustc" ] || return 0
    say "Debian's Rust for arm64, unpacked into $TOOLS/arm64; 150 MB are downloaded"
    open_debian $ARM64_SUITE amd64 arm64
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
    open_debian $ARM64_SUITE amd64 arm64
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
