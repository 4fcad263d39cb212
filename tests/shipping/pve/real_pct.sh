#!/bin/bash
# pct as far as lxc/create.sh goes, with real containers: what it is told is checked and written down by stub.sh as before, then LXC does it,
# with the configuration that Proxmox would write. `rootfs` is a folder that stands for every template; the host's end of the
# container's network is `link`. Run by lxc_real.test.ts alone, as root.
set -eu
here=$(cd -- "$(dirname -- "$0")/.." && pwd)
stub=$here/stub/pct
lxc=$here/lxc
# Without the folder of stand-ins, where this script and its `ip` are found first.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
number=${2-} name=pve-${2-}-$(basename -- "$here")
name=${name,,}
at=(-P "$lxc" -n "$name")
read -r link < "$here/link"
gone() {
  [ ! -e "$lxc/$name" ] || lxc-stop "${at[@]}" -k >/dev/null 2>&1 || true
  for _ in $(seq 100); do [ -e "/sys/class/net/$link" ] || break; sleep 0.1; done
  rm -rf -- "${lxc:?}/$name"
}
value() { sed -n "s/^$1: //p" "$here/guests/$number/config"; }
case ${1-} in
  create)
    "$stub" "$@"
    mkdir -p "$lxc/$name"
    chmod 755 "$lxc" "$lxc/$name"
    cp -a -- "$(cat "$here/rootfs")" "$lxc/$name/rootfs"
    rm -f "$lxc/$name/rootfs/etc/hostname"
    {
      printf '%s\n' 'lxc.include = /usr/share/lxc/config/common.conf'
      if [ "$(value unprivileged)" = 1 ]; then
        # Owner by owner: most files have one of a few.
        find "$lxc/$name/rootfs" -printf '%U:%G\n' | sort -u | while IFS=: read -r user group; do
          find "$lxc/$name/rootfs" -uid "$user" -gid "$group" ! -perm /6000 -exec chown -h "$((user + 100000)):$((group + 100000))" {} +
          # chown takes these bits away.
          find "$lxc/$name/rootfs" -uid "$user" -gid "$group" -perm /6000 -printf '%m %p\n' | while read -r mode path; do
            chown -h "$((user + 100000)):$((group + 100000))" "$path"
            [ -L "$path" ] || chmod "$mode" "$path"
          done
        done
        printf '%s\n' 'lxc.include = /usr/share/lxc/config/userns.conf' 'lxc.idmap = u 0 100000 65536' 'lxc.idmap = g 0 100000 65536'
      fi
      case $(value features) in *nesting=1*) printf '%s\n' 'lxc.include = /usr/share/lxc/config/nesting.conf' ;; esac
      net=,$(value net0),
      address=${net##*,ip=} gateway=${net##*,gw=}
      printf '%s\n' "lxc.uts.name = $(value hostname)" "lxc.rootfs.path = dir:$lxc/$name/rootfs" 'lxc.mount.auto = sys:mixed cgroup:mixed' \
        'lxc.net.0.type = veth' "lxc.net.0.veth.pair = $link" 'lxc.net.0.flags = up' 'lxc.net.0.name = eth0' \
        "lxc.net.0.ipv4.address = ${address%%,*}" "lxc.net.0.ipv4.gateway = ${gateway%%,*}" \
        'lxc.apparmor.profile = unconfined' "lxc.console.logfile = $here/console.log" \
        'lxc.environment = SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1' \
        'lxc.init.cmd = /sbin/init systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1'
      # A test of limits has eaten a machine before.
      [ ! -e /sys/fs/cgroup/memory/cgroup.procs ] || printf '%s\n' "lxc.cgroup.memory.limit_in_bytes = $(value memory)M"
    } >"$lxc/$name/config"
    ;;
  set)
    "$stub" "$@"
    case $(value dev0) in
      /dev/net/tun*)
        printf '%s\n' 'lxc.cgroup.devices.allow = c 10:200 rwm' 'lxc.mount.entry = /dev/net/tun dev/net/tun none bind,create=file' \
          >>"$lxc/$name/config"
        ;;
    esac
    ;;
  start)
    "$stub" "$@"
    lxc-start "${at[@]}" -d -o "$here/lxc.log" -l WARN
    net=,$(value net0),
    gateway=${net##*,gw=}
    ip addr add "${gateway%%,*}/30" dev "$link"
    ip link set "$link" up
    ;;
  exec)
    [ "$3" = -- ]
    { printf 'pct' && printf ' %q' "$@" && echo; } >>"$here/calls"
    exec lxc-attach "${at[@]}" --keep-env -- "${@:4}"
    ;;
  push)
    { printf 'pct' && printf ' %q' "$@" && echo; } >>"$here/calls"
    [ "$5" = --perms ]
    # shellcheck disable=SC2016 # of the shell inside
    lxc-attach "${at[@]}" --clear-env -- /bin/sh -c 'umask 077; cat >"$1"; chmod "$2" "$1"' sh "$4" "$6" <"$3"
    ;;
  pid) lxc-info "${at[@]}" -p -H ;;
  destroy)
    "$stub" "$@"
    gone
    ;;
  *) exec "$stub" "$@" ;;
esac
