# Sourced by scripts/test and scripts/bench: other people's mail software to test against.
# What cannot be installed here is said loudly; the tests that need it are then skipped by name.
#
# Postfix, Exim and OpenSMTPD exclude each other as installed packages: Postfix is installed, the
# others are only unpacked below $KURIR_PEERS (their libraries are installed). Nothing is started.
export KURIR_PEERS=${KURIR_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/kurir-peers}
export KURIR_SSLYZE=${KURIR_SSLYZE:-$KURIR_PEERS/sslyze/bin/sslyze}

DEBIAN_TOOLS=(postfix libsasl2-modules swaks libnet-ssleay-perl msmtp dovecot-core dovecot-lmtpd curl strace faketime libssl3 openssl unbound gsasl testssl.sh pebble
  iproute2 python3-aiodns python3-aiohttp python3-aiosqlite python3-aioredis python3-yaml)
DEBIAN_UNPACKED=(exim4-daemon-light exim4-base opensmtpd opendkim postfix-mta-sts-resolver)

missing_peers=()

apt_quiet() { apt-get -o DPkg::Lock::Timeout=180 install -y -q --no-install-recommends "$@" >>"$KURIR_PEERS/install.log" 2>&1; }

no_daemons() { # keep maintainer scripts from starting services, only while we install
  local f=/usr/sbin/policy-rc.d
  if [[ ! -e $f ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$f"
    chmod +x "$f"
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
}

unpack() { # unpack PACKAGE...: below $KURIR_PEERS/root, with their library dependencies installed
  local p deps
  for p in "$@"; do
    deps=$(apt-cache show --no-all-versions "$p" | sed -n 's/^Depends: //p' | tr ',' '\n' |
      sed 's/|.*//; s/(.*//; s/ //g' | grep '^lib' || true)
    # shellcheck disable=SC2086
    [[ -z $deps ]] || apt_quiet $deps || return 1
    (cd "$KURIR_PEERS/debs" && apt-get -o APT::Sandbox::User=root download -q "$p" >>"$KURIR_PEERS/install.log" 2>&1) || return 1
    dpkg -x "$KURIR_PEERS"/debs/"$p"_*.deb "$KURIR_PEERS/root"
  done
}

system_user() {
  getent group "$1" >/dev/null || groupadd --system "$1"
  id -u "$1" >/dev/null 2>&1 || useradd --system -g "$1" -d /nonexistent -s /usr/sbin/nologin "$1"
}

install_peers() {
  mkdir -p "$KURIR_PEERS/root" "$KURIR_PEERS/debs" "$KURIR_PEERS/node"
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    local wanted="${DEBIAN_TOOLS[*]} ${DEBIAN_UNPACKED[*]}"
    if [[ ! -f $KURIR_PEERS/.debian || $(<"$KURIR_PEERS/.debian") != "$wanted" ]]; then
      say "Installing the mail software to test against (Debian packages; once)..."
      export DEBIAN_FRONTEND=noninteractive
      no_daemons
      apt-get update -q >>"$KURIR_PEERS/install.log" 2>&1 || true
      echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections 2>/dev/null || true
      local p ok=1
      for p in "${DEBIAN_TOOLS[@]}"; do apt_quiet "$p" || { missing_peers+=("$p"); ok=0; }; done
      for p in "${DEBIAN_UNPACKED[@]}"; do unpack "$p" || { missing_peers+=("$p"); ok=0; }; done
      system_user Debian-exim && system_user opensmtpd && system_user opensmtpq
      [[ $ok == 0 ]] || printf '%s' "$wanted" >"$KURIR_PEERS/.debian"
    fi
  else
    missing_peers+=("Debian packages: need root and apt-get")
  fi
  if command -v npm >/dev/null; then
    if [[ ! -d $KURIR_PEERS/node/node_modules/nodemailer ]]; then
      npm install --no-audit --no-fund --silent --prefix "$KURIR_PEERS/node" nodemailer >>"$KURIR_PEERS/install.log" 2>&1 ||
        missing_peers+=("nodemailer (npm)")
    fi
  else
    missing_peers+=("nodemailer: there is no npm")
  fi
  if [[ ! -x $KURIR_SSLYZE ]]; then # in an environment of its own: it wants other versions than we do
    { python3 -m venv "$KURIR_PEERS/sslyze" && "$KURIR_PEERS/sslyze/bin/pip" install -q sslyze; } >>"$KURIR_PEERS/install.log" 2>&1 ||
      missing_peers+=("sslyze (PyPI)")
  fi
  if ((${#missing_peers[@]})); then
    say "=============================================================================="
    say "NOT INSTALLED, so the tests against it will be SKIPPED:"
    printf '  - %s\n' "${missing_peers[@]}" >&2
    say "=============================================================================="
  fi
}
