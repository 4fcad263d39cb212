#!/bin/sh
# Deckhand with the Node that came along: whatever node this machine has, or none. Links to this file are followed first.
# The flag keeps the young generation small, which halves the memory under load, and cannot be set once Node runs.
self=$(readlink -f -- "$0") || exit 1
top=${self%/*/*}
exec "$top/node/bin/node" --max-semi-space-size=2 "$top/bin/deckhand.mjs" "$@"
