#!/usr/bin/env bash
# Installs a program that the tests start themselves, from the system's package manager: install.sh redis|browser|prometheus.
# A package may start a service of its own; the tests neither need nor touch it.
set -euo pipefail
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
apt() { as_root apt-get update -q && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"; }
dnf() { as_root env dnf install -y "$@"; }
unknown() {
  echo "No package manager known here: install $1 so that it is in PATH." >&2
  exit 1
}

manager=none
for name in apt-get dnf apk pacman brew; do
  if command -v "$name" >/dev/null; then manager=$name && break; fi
done

case "$1 $manager" in
"redis apt-get") apt redis-server ;;
"redis dnf") dnf redis || dnf valkey-compat-redis ;;
"redis apk") as_root apk add redis ;;
"redis pacman") as_root pacman -S --noconfirm redis ;;
"redis brew") brew install redis ;;
"redis none") unknown "redis-server (7.0 or newer)" ;;
"browser apt-get")
  if grep -qs '^ID=ubuntu$' /etc/os-release; then # its package is a link to a snap, which servers and containers lack
    echo "Ubuntu has no package of Chromium: install google-chrome-stable from https://www.google.com/chrome/." >&2
    exit 1
  fi
  apt chromium fonts-dejavu-core
  ;;
"browser dnf") dnf chromium dejavu-sans-fonts ;;
"browser apk") as_root apk add chromium font-dejavu ;;
"browser pacman") as_root pacman -S --noconfirm chromium ttf-dejavu ;;
"browser brew") brew install --cask chromium ;;
"browser none") unknown "chromium or google-chrome" ;;
"prometheus apt-get") apt prometheus ;;
"prometheus dnf") dnf prometheus || dnf golang-github-prometheus ;;
"prometheus apk") as_root apk add prometheus ;;
"prometheus pacman") as_root pacman -S --noconfirm prometheus ;;
"prometheus brew") brew install prometheus ;;
"prometheus none") unknown prometheus ;;
*)
  echo "usage: install.sh redis|browser|prometheus" >&2
  exit 2
  ;;
esac
