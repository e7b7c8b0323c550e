# shellcheck shell=sh
# Packages of Debian with package lists of their own, for install.sh: nothing of the system is asked or touched.

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# Starts with package lists of its own: of the suite $1 for the architectures that follow, from the mirror that this machine uses,
# as if nothing was installed.
open_debian() {
    has apt-get || fail "there is no apt-get" "this needs a machine with Debian's tools"
    [ -e $KEYRING ] || fail "$KEYRING does not exist" "apt-get install debian-archive-keyring"
    mirror=$(apt-get indextargets --format "\$(REPO_URI)" | grep --max-count 1 '/debian/$' || true)
    suite=$1
    shift
    architectures=$(printf '"%s"; ' "$@")
    apt=$TOOLS/apt
    rm -rf "$apt"
    mkdir -p "$apt/lists/partial" "$apt/archives/partial"
    : >"$apt/status"
    printf 'deb [signed-by=%s] %s %s main\n' $KEYRING "${mirror:-http://deb.debian.org/debian/}" "$suite" >"$apt/sources.list"
    cat >"$apt/apt.conf" <<END
APT::Architectures { $architectures};
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
