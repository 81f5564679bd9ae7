#!/bin/sh
# Chromium for the tests of the page, unless there is one, and a font, so that pictures have text: Debian's packages.
set -eu
for name in chromium chromium-browser google-chrome; do
    if command -v "$name"; then exit 0; fi
done
as_root=$([ "$(id -u)" = 0 ] || echo "sudo -n")
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q && $as_root apt-get install -q -y --no-install-recommends chromium fonts-dejavu-core || {
    echo "the tests of the page need Chromium: as root, apt-get install chromium fonts-dejavu-core" >&2
    exit 1
}
