# shellcheck shell=sh
# What ddns53 is built and tested with, as Debian's packages, and how they get installed.
# Sourced by contrib/quickstart and tests/run.

# shellcheck disable=SC2034 # read by those who source this file
BUILD_PACKAGES='gcc libc6-dev make autoconf pkg-config libmicrohttpd-dev libgnutls28-dev libcurl4-gnutls-dev
    libjansson-dev libsodium-dev nettle-dev libyaml-dev libsqlite3-dev libexpat1-dev libsystemd-dev
    libknot-dev libqrencode-dev'

# shellcheck disable=SC2034
TEST_PACKAGES='git libcmocka-dev clang clang-format clang-tidy cppcheck shellcheck mandoc pyflakes3 systemd
    util-linux mount procps binutils ca-certificates curl openssl jq sqlite3 bind9-utils bind9-dnsutils awscli
    dash perl net-tools iputils-ping
    python3 python3-pytest python3-pytest-xdist python3-botocore python3-cryptography python3-yaml
    python3-dnspython faketime
    iproute2 wget wrk busybox inadyn ddclient libio-socket-ssl-perl
    zsh fish zbar-tools
    dpkg-dev debhelper lintian mmdebstrap buildah runc qemu-user-static
    uacme pebble certbot lego'

# Name servers, web servers that stand before the daemon, fail2ban and the like: each would begin to serve on a machine
# where systemd runs, so tests/run installs them in a container, and with --ci. Without them some tests are skipped,
# and counted.
# shellcheck disable=SC2034
SERVER_PACKAGES='nsd knot bind9 pdns-server pdns-backend-sqlite3 nginx-light caddy haproxy fail2ban prometheus
    podman'

# Prints those of the named packages that are not installed.
missing_packages() {
    for package_; do
        case $(dpkg-query --show --showformat='${db:Status-Status}' "$package_" 2>/dev/null) in
        installed) ;;
        *) printf '%s ' "$package_" ;;
        esac
    done
}

# Installs those of the named packages that are missing; with sudo when not root. Returns non-zero, having said what
# to do, when it cannot.
install_packages() {
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        echo "this is not Debian or one of its relatives; install what there corresponds to" >&2
        printf '    %s\n' "$*" >&2
        echo "and run this again with --no-install" >&2
        return 1
    fi
    missing_=$(missing_packages "$@")
    if [ -z "$missing_" ]; then
        return 0
    fi
    as_root_=
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "packages are missing and there is no sudo; as root run: apt-get install $missing_" >&2
            return 1
        fi
        as_root_='sudo'
    fi
    echo "installing $missing_"
    # Upgrades that Debian makes by itself may be under way.
    # shellcheck disable=SC2086 # lists of words
    $as_root_ apt-get -q -o DPkg::Lock::Timeout=600 update &&
        $as_root_ env DEBIAN_FRONTEND=noninteractive \
            apt-get -q -y -o DPkg::Lock::Timeout=600 --no-install-recommends install $missing_
}
