#!/usr/bin/env bash
# Debian packages that a target needs, in the newest version that apt offers.
#
#   tools/debian_packages.sh PACKAGE...
#
# A package that is there may be old, and the server may stand behind a package without files (postgresql stands for
# postgresql-15): installed database packages are brought up to date with those that are named. apt's lists are fetched
# at most once a day. Without a network what is installed is taken as it is, with a warning; what is missing is an error.
set -euo pipefail
cd "$(dirname "$0")/.."
lists_fetched=.venv/.apt-lists
behind='^(postgresql(-client)?-[0-9]+|libpq5|mariadb-(server|client)(-core)?|libmariadb3|restic)$'

warn() { echo "packages: $*" >&2; }

as_root() { if [ "$(id -u)" -eq 0 ]; then env "$@"; else sudo env "$@"; fi; }

installed() { dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p' | sort -u; }

missing() { comm -23 <(printf '%s\n' "$@" | sort -u) <(installed "$@"); }

# What apt would install or replace; fails where it knows no way.
to_do() { apt-get install -s -qq --no-install-recommends "$@" | sed -n 's/^Inst \([^ ]*\).*/\1/p'; }

if ! command -v apt-get >/dev/null; then
  warn "this is no Debian: install by hand what these packages hold: $*"
  exit 0
fi
if [ -z "$(find "$lists_fetched" -mmin -1440 2>/dev/null)" ]; then
  if as_root apt-get update -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 \
    -o APT::Update::Error-Mode=any >&2; then
    mkdir -p "${lists_fetched%/*}" && touch "$lists_fetched"
  else
    warn "apt's lists could not all be fetched: the newest versions may be unknown"
  fi
fi
mapfile -t wanted < <(printf '%s\n' "$@"; installed | grep -E "$behind" || true)
if changes=$(to_do "${wanted[@]}") && [ -z "$changes" ]; then exit 0; fi
if ! as_root DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >&2; then
  mapfile -t absent < <(missing "$@")
  [ ${#absent[@]} -eq 0 ] || { warn "apt-get cannot install: ${absent[*]}"; exit 1; }
  warn "apt-get could not bring these up to date, what is installed is used: $changes"
fi
