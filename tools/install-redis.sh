#!/usr/bin/env bash
# Installs redis-server from the system's package manager. The tests need a real one and start it themselves.
set -euo pipefail
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

if command -v apt-get >/dev/null; then
  as_root apt-get update -q
  # The package would start a server of its own; the tests neither need nor touch it.
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends redis-server
elif command -v dnf >/dev/null; then
  as_root dnf install -y redis || as_root dnf install -y valkey-compat-redis
elif command -v apk >/dev/null; then
  as_root apk add redis
elif command -v pacman >/dev/null; then
  as_root pacman -S --noconfirm redis
elif command -v brew >/dev/null; then
  brew install redis
else
  echo "No package manager known here: install redis-server (7.0 or newer) so that it is in PATH." >&2
  exit 1
fi
