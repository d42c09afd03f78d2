# Sourced by the other scripts: makes .venv from a lock file, once, and again when the lock changed.
# Sets: root (the checkout), bin (the environment's programs).
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
venv=${KURIR_VENV:-$root/.venv}
bin=$venv/bin

say() { printf '%s\n' "$*" >&2; }

find_python() { # a Python of 3.11 or newer: KURIR_PYTHON, the system's, or the first in the PATH
  # The system's first: distributions build it optimised by profile, version managers often do not, and a message
  # costs a sixth less for it. One that cannot make environments (no ensurepip) comes last: apt may mend that.
  local p
  for p in ${KURIR_PYTHON:-} /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do
    if is_python "$p" 'import ensurepip'; then
      echo "$p"
      return
    fi
  done
  for p in /usr/bin/python3 python3; do
    if is_python "$p" pass; then
      echo "$p"
      return
    fi
  done
  say "Kurir needs Python 3.11 or newer; on Debian and Ubuntu: apt-get install python3 python3-venv"
  return 1
}

is_python() { # is_python PROGRAM STATEMENT: whether it is new enough and can run the statement
  command -v "$1" >/dev/null && "$1" -c "import sys; $2; sys.exit(sys.version_info < (3, 11))" 2>/dev/null
}

make_venv() { # make_venv dev|serve: the environment with exactly the packages of requirements/NAME.txt, and Kurir
  local name=$1 python lock stamp want
  lock=$root/requirements/$name.txt
  python=$(find_python)
  want=$(cat "$lock" "$root/pyproject.toml" | sha256sum | cut -d' ' -f1)
  stamp=$venv/.stamp-$name
  # What tests need contains what the server needs.
  if [[ $name == serve && -f $venv/.stamp-dev ]]; then
    stamp=$venv/.stamp-dev
    want=$(cat "$root/requirements/dev.txt" "$root/pyproject.toml" | sha256sum | cut -d' ' -f1)
    lock=$root/requirements/dev.txt
  fi
  if [[ -x $bin/python && -f $stamp && $(<"$stamp") == "$want" ]]; then
    return
  fi
  say "Making the Python environment in ${venv#"$root"/} (once; takes a minute and the network)..."
  if [[ ! -x $bin/python ]] || ! "$bin/python" -m pip --version >/dev/null 2>&1; then
    rm -rf "$venv"
    if ! "$python" -m venv "$venv" >/dev/null 2>&1; then
      rm -rf "$venv"
      if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
        say "Installing python3-venv..."
        apt-get update -q >/dev/null && apt-get install -y -q --no-install-recommends python3-venv >/dev/null
      fi
      "$python" -m venv "$venv" || { say "python3 -m venv does not work; on Debian and Ubuntu: apt-get install python3-venv"; return 1; }
    fi
  fi
  "$bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r "$lock"
  "$bin/python" -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e "$root"
  printf '%s' "$want" >"$stamp"
}
