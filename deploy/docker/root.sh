#!/bin/sh
# Run in the Dockerfile's build stage: lays out the image's root folder and the program. Decides which files of Debian go
# along: the programs named below, the libraries they load, and their packages' licences and status entries (scanners read
# those). What else a later version has to run in the image becomes a word in `programs`.
set -eu
image=$1 app=$2 version=$3
programs='/usr/local/bin/node /usr/bin/env /usr/bin/tini-static'

told=$(node -p 'require("./package.json").version')
if [ "$told" != "$version" ]; then
  echo "package.json is version $told and the Dockerfile's VERSION is $version" >&2
  exit 1
fi

mkdir -p "$image/usr/bin" "$image/usr/lib" "$image/etc" "$image/usr/local/bin" "$image/var/lib/dpkg/status.d" \
  "$image/usr/share/doc/node"
ln -s usr/bin "$image/bin"
ln -s usr/lib "$image/lib"
[ ! -d /lib64 ] || { mkdir "$image/usr/lib64" && ln -s usr/lib64 "$image/lib64"; }

# Every path as it is asked for, with the file itself behind it: links into what is not copied would break.
copy() {
  case $1 in /lib*) to=/usr$1 ;; *) to=$1 ;; esac
  [ ! -e "$image$to" ] || return 0
  mkdir -p "$image$(dirname "$to")"
  cp -L "$1" "$image$to"
  real=$(readlink -f "$1")
  # dpkg may know it under its name from before /lib became /usr/lib.
  owner=$(dpkg-query -S "$real" 2>/dev/null || dpkg-query -S "${real#/usr}" 2>/dev/null) || return 0
  package=${owner%%:*}
  mkdir -p "$image/usr/share/doc/$package"
  cp -L "/usr/share/doc/$package/copyright" "$image/usr/share/doc/$package/copyright"
  dpkg-query -s "$package" >"$image/var/lib/dpkg/status.d/$package"
}
for program in $programs; do
  copy "$program"
  # A static program has none, and ldd then fails.
  for library in $(ldd "$program" 2>/dev/null | grep -o '/[^ )]*' || true); do copy "$library"; done
done

for licence in /usr/local/LICENSE node_modules/node-linux-*/LICENSE; do
  [ -e "$image/usr/share/doc/node/LICENSE" ] || [ ! -e "$licence" ] || cp "$licence" "$image/usr/share/doc/node/LICENSE"
done
test -e "$image/usr/share/doc/node/LICENSE"

cp /usr/lib/os-release "$image/usr/lib/os-release"
ln -s ../usr/lib/os-release "$image/etc/os-release"
printf 'root:x:0:0:root:/:/nonexistent\ndeckhand:x:10001:10001:Deckhand:/:/nonexistent\n' >"$image/etc/passwd"
printf 'root:x:0:\ndeckhand:x:10001:\n' >"$image/etc/group"
printf 'hosts: files dns\n' >"$image/etc/nsswitch.conf"
ln -s /opt/deckhand/bin/deckhand.mjs "$image/usr/local/bin/deckhand"
mkdir -p "$image/tmp" "$image/var/lib/deckhand" "$image/host"
chmod 1777 "$image/tmp" "$image/var/lib/deckhand"

mkdir -p "$app/bin"
cp bin/deckhand.mjs "$app/bin/"
cp -r dist "$app/dist"
cp package.json LICENSE deploy/docker/health.mjs "$app/"
rm -rf "$app/dist/.compile-cache"
chmod -R u=rwX,go=rX "$app"
# For priming only; the last stage takes it as root's.
chown -R 10001:10001 "$app"
