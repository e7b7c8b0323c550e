# shellcheck shell=sh
# A browser for the test of the workbench, for install.sh: the one that CHROMIUM names, else the `chromium` in PATH, else Debian's,
# unpacked with all that it needs into $TOOLS/chromium. Only the C library is that of this machine.

install_chromium() {
    if link_given chromium CHROMIUM; then
        return
    fi
    if has chromium; then
        link chromium "$(command -v chromium)"
        return
    fi
    if [ ! -x "$TOOLS/chromium/chromium" ]; then
        unpack_chromium
    fi
    link chromium "$TOOLS/chromium/chromium"
}

unpack_chromium() {
    # A program of Debian runs with its own C library or a later one. Of other systems none is known, so that an old one is taken.
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && [ "$ID" = debian ] && printf %s "$VERSION_CODENAME" || printf bookworm)
    say "Debian's Chromium of $codename, unpacked into $TOOLS/chromium; 120 MB are downloaded"
    open_debian "$codename" "$(dpkg --print-architecture)"
    with_dependencies chromium-headless-shell fonts-dejavu-core
    # The C library is this machine's; the others are nothing that a browser without a screen loads.
    for package in libc6 libc-bin libllvm libgl1-mesa-dri libz3-4 x11-utils xdg-utils debconf perl; do
        rm -f "$TOOLS/apt/archives/$package"*.deb
    done
    rm -rf "$TOOLS/chromium"
    unpack_debian "$TOOLS/chromium"
    close_debian
    root=$TOOLS/chromium
    rm -rf "$root/usr/share/doc" "$root/usr/share/man" "$root/usr/share/locale"
    cat >"$root/fonts.conf" <<END
<?xml version="1.0"?>
<fontconfig><dir>$root/usr/share/fonts</dir><cachedir>$root/fonts</cachedir></fontconfig>
END
    libraries=$(find "$root" -name '*.so*' -printf '%h\n' | grep -v /chromium/usr/lib/chromium | sort -u | paste -s -d :)
    cat >"$root/chromium.new" <<END
#!/bin/sh
export LD_LIBRARY_PATH=$libraries FONTCONFIG_FILE=$root/fonts.conf
exec "$root/usr/lib/chromium/chromium-headless-shell" "\$@"
END
    chmod +x "$root/chromium.new"
    "$root/chromium.new" --version >/dev/null || fail "Debian's Chromium does not run here" "set CHROMIUM to the path of a Chromium or Chrome"
    mv "$root/chromium.new" "$root/chromium"
}
