#!/usr/bin/env bash
# Takes the files of /docs and /redoc from their npm packages: compressed, because that is how they are served, without
# the line that names a source map, without the address of a picture that ReDoc would load, and with the script of
# ReDoc's search in a file of its own. The versions are those of the table in internal/apidocs/dist/README.md.
set -euo pipefail
tools=$(cd "$(dirname "$0")" && pwd)
cd "$tools/../internal/apidocs/dist"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

version() { awk -F'|' -v name="$1" '{ gsub(/ /, "", $3); gsub(/ /, "", $4) } $3 == name { print $4 }' README.md; }

# take PACKAGE FOLDER FILE...: the files into the folder, each licence beside it.
take() {
	local package=$1 folder=$2 file
	shift 2
	npm pack --silent --pack-destination "$work" "$package@$(version "$package")" >/dev/null
	tar -xzf "$work"/*.tgz -C "$work"
	mkdir -p "$folder"
	for file in "$@"; do
		sed -e 's|^//# sourceMappingURL=.*||' -e 's|^/[*]# sourceMappingURL=.*||' \
			-e 's|https://cdn.redoc.ly/redoc/logo-mini.svg|data:,|g' "$work/package/$file" | gzip -9 -n >"$folder/$(basename "$file").gz"
		[ ! -e "$work/package/$file.LICENSE.txt" ] || cp "$work/package/$file.LICENSE.txt" "$folder/"
	done
	for file in LICENSE NOTICE; do
		[ ! -e "$work/package/$file" ] || cp "$work/package/$file" "$folder/"
	done
	rm -rf "$work"/*
}

take swagger-ui-dist swagger-ui swagger-ui-bundle.js swagger-ui.css
take redoc redoc bundles/redoc.standalone.js

gunzip redoc/redoc.standalone.js.gz
node "$tools/redoc-search.js" redoc/redoc.standalone.js redoc/redoc.search.js
gzip -9 -n -f redoc/redoc.standalone.js redoc/redoc.search.js
