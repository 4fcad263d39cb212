#!/bin/sh
# Installs a release of Deckhand as a systemd service: finds the release, checks its SHA-256, unpacks it below /opt/deckhand/versions, and
# hands over to `deckhand service install`, which does all else. Run again it changes nothing; with a newer release it upgrades.
# It fetches nothing: everything is in the tarball. docs/install.md
set -eu
umask 022

usage() {
  cat <<'END'
Usage: install.sh [--from FILE] [--sha256 HEX] [--dry-run] [flags of `deckhand service install`]

  --from FILE         The release tarball, deckhand-VERSION-linux-ARCH.tar.gz. Without it: the unpacked release that this
                      script lies in, or the one tarball for this machine beside it.
  --sha256 HEX        What was published for the tarball. Without it: SHA256SUMS beside the tarball says so.
  --allow POWER       ping, docker, signals, all-processes, write=/PATH; repeatable. docs/systemd.md says what each costs.
  --listen HOST:PORT  Where it listens; 127.0.0.1:7070 if neither this nor the config says otherwise.
  --no-start          Enable it for the next boot only.
  --dry-run           Say what would be done, and change nothing.
  --help              This.

Needs: root, systemd, tar and gzip, sha256sum. No Node: the release brings its own.
END
}

die() {
  printf 'install.sh: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf '  next: %s\n' "$2" >&2
  exit 1
}

OPT=/opt/deckhand
from=
sum=
dry=
n=$#
while [ "$n" -gt 0 ]; do
  word=$1
  shift
  n=$((n - 1))
  case $word in
    --help | -h)
      usage
      exit 0
      ;;
    --from | --sha256)
      [ "$n" -gt 0 ] || die "$word needs a value."
      if [ "$word" = --from ]; then from=$1; else sum=$1; fi
      shift
      n=$((n - 1))
      ;;
    --from=*) from=${word#--from=} ;;
    --sha256=*) sum=${word#--sha256=} ;;
    --dry-run)
      dry=1
      set -- "$@" "$word"
      ;;
    # All else is for `service install`, behind what is still to be read.
    *) set -- "$@" "$word" ;;
  esac
done

for tool in tar gzip sha256sum readlink mktemp uname; do
  command -v "$tool" >/dev/null 2>&1 || die "$tool is not installed." "apt-get install tar gzip coreutils"
done
case $(uname -s) in
  Linux) ;;
  *) die "Deckhand is a service of Linux hosts, and this is $(uname -s)." "On a laptop a client needs only: deckhand client add" ;;
esac
case $(uname -m) in
  x86_64 | amd64) arch=x64 ;;
  aarch64 | arm64) arch=arm64 ;;
  *) die "There is no release for $(uname -m); there is one for x86_64 and one for aarch64." ;;
esac
[ -d /run/systemd/system ] || die "systemd does not run here." "In a container use the image (deploy/docker/README.md), or run it by hand: deckhand serve"
[ "$(id -u)" -eq 0 ] || die "Only root can install a service." "sudo sh $0"

here=$(dirname -- "$(readlink -f -- "$0")")
# A release that was unpacked: beside this script, or one above when run as deploy/install.sh.
for folder in "$here" "${here%/*}"; do
  if [ -z "$from" ] && [ -x "$folder/node/bin/node" ] && [ -f "$folder/SHA256SUMS" ] && [ -x "$folder/bin/deckhand" ]; then
    (cd "$folder" && sha256sum --quiet --strict -c SHA256SUMS >/dev/null) ||
      die "A file below $folder is not as it was released." "Unpack the tarball anew."
    exec "$folder/bin/deckhand" service install "$@"
  fi
done

if [ -z "$from" ]; then
  for file in "$here"/deckhand-*-linux-"$arch".tar.gz; do
    [ -f "$file" ] || die "There is no release tarball for $arch beside this script." "--from FILE"
    [ -z "$from" ] || die "There are several release tarballs beside this script." "--from FILE"
    from=$file
  done
fi
[ -f "$from" ] || die "There is no file $from."
from=$(readlink -f -- "$from")
name=${from##*/}
if [ -z "$sum" ]; then
  sums=${from%/*}/SHA256SUMS
  [ -f "$sums" ] || die "Nothing says what the SHA-256 of $name must be." "Put SHA256SUMS of the release beside it, or say what was published: --sha256 HEX"
  sum=$(awk -v name="$name" '$2 == name || $2 == "*" name { print $1; exit }' "$sums")
  [ -n "$sum" ] || die "$sums does not name $name." "--sha256 HEX"
fi

# Beside its place, so that the last step is a rename; gone again however this ends.
mkdir -p "$OPT/versions" 2>/dev/null || die "$OPT/versions cannot be made."
work=$(mktemp -d "$OPT/versions/.install-XXXXXX")
clean() {
  rm -rf "$work"
  # Nothing was installed, so nothing of it stays.
  rmdir "$OPT/versions" "$OPT" 2>/dev/null || :
}
trap clean EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# A copy first: nobody exchanges the file between looking and unpacking.
cp -- "$from" "$work/release.tar.gz"
printf '%s  %s\n' "$sum" "$work/release.tar.gz" | sha256sum --quiet --strict -c - >/dev/null 2>&1 ||
  die "The SHA-256 of $name is not $sum." "Fetch it anew. Nothing was changed."
gzip -dc <"$work/release.tar.gz" >"$work/release.tar" || die "$name cannot be unpacked."
rm "$work/release.tar.gz"

# Plain files and folders below one folder, and nothing else: no links, no devices, no way out.
kinds=$(tar -tvf "$work/release.tar" | cut -c1 | sort -u | tr -d '\n')
case $kinds in
  - | -d | d-) ;;
  *) die "$name holds more than plain files and folders; it is no release." ;;
esac
tops=$(tar -tf "$work/release.tar" | sed 's,/.*,,' | sort -u)
case $tops in
  deckhand-*-linux-"$arch") ;;
  deckhand-*-linux-*) die "$name is for another machine; this one is $arch." ;;
  *) die "$name is no release of Deckhand." ;;
esac
if tar -tf "$work/release.tar" | grep -Eq '(^|/)\.\.?(/|$)|^/|[^A-Za-z0-9_.@+~/-]'; then
  die "A path in $name leads elsewhere; it is no release."
fi
version=${tops#deckhand-}
version=${version%-linux-*}
tar -xf "$work/release.tar" -C "$work" --no-same-owner --no-same-permissions
rm "$work/release.tar"
(cd "$work/$tops" && sha256sum --quiet --strict -c SHA256SUMS >/dev/null) || die "A file in $name is not what its SHA256SUMS says."
chmod -R u=rwX,go=rX "$work/$tops"

if [ -n "$dry" ]; then
  "$work/$tops/bin/deckhand" service install "$@"
  exit
fi
if [ -d "$OPT/versions/$version" ]; then
  # There already: it is whole, or it is replaced by this one.
  if ! (cd "$OPT/versions/$version" && sha256sum --quiet --strict -c SHA256SUMS >/dev/null 2>&1); then
    mv "$OPT/versions/$version" "$work/damaged"
    mv "$work/$tops" "$OPT/versions/$version"
  fi
else
  sync
  mv "$work/$tops" "$OPT/versions/$version"
fi
trap - EXIT
rm -rf "$work"
exec "$OPT/versions/$version/bin/deckhand" service install "$@"
