#!/usr/bin/env bash
# Servers and tools of other Debian suites, unpacked into folders of their own for the tests: nothing is installed in /.
#
#   tools/newer_servers.sh [NAME...]      into var/newer/NAME; without names: all of them but py314
#
# The packages come from the mirror that this machine's apt uses. Their programs are relinked to the libraries that
# came along, so that a folder is complete in itself and can be named in `bin_dirs`. What is there is left alone: remove
# the folder to have it fetched anew. Needs apt-get, dpkg and patchelf; no rights.
set -euo pipefail
cd "$(dirname "$0")/.."
into=${OPS_NEWER:-var/newer}

suite_and_packages() {
  case $1 in
    mysql) echo sid mysql-server-core mysql-client-core ;;
    mariadb) echo trixie mariadb-server-core mariadb-client-core mariadb-client ;;
    pg17) echo trixie postgresql-17 postgresql-client-17 ;;
    pg18) echo sid postgresql-18 postgresql-client-18 ;;
    restic) echo sid restic ;;
    restic-old) echo bookworm restic ;;
    py314) echo sid python3.14-venv ;;
    *) echo "newer_servers: no $1; there are mysql mariadb pg17 pg18 restic restic-old py314" >&2; return 1 ;;
  esac
}

# The first mirror of a kind (debian, debian-security) that apt is told of.
mirror() { cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -oE "(https?|file|mirror\+file):[^ ]+/$1/?( |\$)" | head -n 1; }

stanza() { printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n\n' "$1" "$2" /usr/share/keyrings/debian-archive-keyring.gpg; }

# apt with lists and a state of its own for a suite: nothing is installed there, so everything needed is fetched.
apt() {
  local home=$work/$suite
  apt-get -qq -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$home/parts" -o "Dir::State::Lists=$home/lists" \
    -o "Dir::State::status=$home/status" -o "Dir::Cache=$home" -o "Dir::Cache::archives=$archives" \
    -o APT::Install-Recommends=false -o APT::Sandbox::User= -o Debug::NoLocking=true -o Acquire::Retries=2 "$@"
}

lists() { # once for each suite and run
  local home=$work/$suite security
  [ ! -e "$home/status" ] || return 0
  mkdir -p "$home"/{parts,lists/partial}
  stanza "$(mirror debian)" "$suite" >"$home/parts/suite.sources"
  security=$(mirror debian-security || true)
  [ "$suite" = sid ] || [ -z "$security" ] || stanza "$security" "$suite-security" >"$home/parts/security.sources"
  apt -o APT::Update::Error-Mode=any update
  : >"$home/status"
}

relink() { # every program of a folder to that folder's own loader and libraries
  local loader libraries program
  loader=$(find "$1/" \( -name ld-linux-x86-64.so.2 -o -name ld-linux-aarch64.so.1 \) -type f | head -n 1)
  # Older suites have libraries in lib/ too; newer ones have no such folder.
  libraries=$({ find "$1/lib" "$1/usr/lib" -name '*.so*' -printf '%h\n' 2>/dev/null || true; } | grep -vE '/(gconv|perl|python|plugin)' | sort -u | paste -sd:)
  find "$1/usr" -type f -executable -not -name '*.so*' | while read -r program; do
    patchelf --print-interpreter "$program" >/dev/null 2>&1 || continue # a script, or linked statically
    patchelf --force-rpath --set-interpreter "$loader" --set-rpath "$libraries" "$program"
  done
}

fetch() { # NAME
  local name=$1 suite packages place archives deb
  read -r suite packages < <(suite_and_packages "$name")
  mkdir -p "$into"
  exec 9>"$into/.$name.lock"
  flock 9
  place=$(readlink -m "$into/$name")
  [ ! -e "$place/.unpacked" ] || return 0
  echo "newer_servers: $name ($packages of Debian $suite) ..."
  archives=$work/archives-$name
  mkdir -p "$archives/partial"
  rm -rf "$place"
  mkdir -p "$place"
  lists
  # shellcheck disable=SC2086 # names of packages are words
  apt install --download-only --yes $packages >/dev/null
  for deb in "$archives"/*.deb; do dpkg -x "$deb" "$place"; done
  # Compiled queries are not what is tested, and the compiler is the larger half.
  find "$place/usr" \( -name 'libLLVM*' -o -name 'llvmjit*.so' -o -name 'libclang*' \) -delete
  rm -rf "$place"/usr/share/{doc,man,info,locale}
  # What an older suite has linked runs with newer libraries, and patchelf of Debian 13 breaks it.
  [ "$suite" = bookworm ] || relink "$place"
  echo "$suite $packages" >"$place/.unpacked"
}

command -v patchelf >/dev/null || { echo "newer_servers: patchelf is missing (apt-get install patchelf)" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
for name in "${@:-}"; do
  for each in ${name:-mysql mariadb pg17 pg18 restic restic-old}; do
    # A subshell of its own, outside any condition: set -e holds in it, and one that fails does not stop the others.
    set +e
    (set -e; fetch "$each")
    status=$?
    set -e
    [ $status -eq 0 ] || { echo "newer_servers: $each could not be fetched; its tests are skipped" >&2; failed=1; }
  done
done
exit $failed
