#!/bin/bash
# Plays the tools of a Proxmox VE node, by the name it is called under. Writes down each call, refuses what the real ones would
# refuse (options.txt), and keeps containers as folders. `fail` holds an expression: a call that fits it fails; `hang`: it waits.
set -u
here=$(cd -- "$(dirname -- "$0")/.." && pwd)
tool=$(basename -- "$0")
line=$(printf '%s' "$tool"; [ $# -eq 0 ] || printf ' %q' "$@")
printf '%s\n' "$line" >>"$here/calls"
compgen -e | sed "s/^/$tool ${1-} /" >>"$here/environment"
env >>"$here/environment.values"
told() { [ -s "$here/$1" ] && grep -qE -- "$(cat "$here/$1")" <<<"$line"; }
refuse() { printf '%s\n' "$1" >&2 && exit "${2-1}"; }
if told hang; then
  touch "$here/hangs"
  while [ -e "$here/hang" ]; do sleep 0.05; done
fi
! told fail || refuse "stub: told to fail" 1

case $tool in
  pveversion) echo "pve-manager/$(cat "$here/version")/0123456789abcdef (running kernel: 6.14.8-2-pve)" && exit ;;
  id) cat "$here/uid" && exit ;;
  hostname) echo pve && exit ;;
  ip) grep -qxF -- "${*: -1}" "$here/links" && echo "2: ${*: -1}: <UP>" && exit; refuse "Device \"${*: -1}\" does not exist." ;;
esac

command=$1
shift
known=$(grep "^$tool $command " "$here/options.txt") || refuse "ERROR: unknown command '$tool $command'" 255
read -r _ _ wanted options <<<"$known"
args=() rest=()
declare -A said=()
while [ $# -gt 0 ]; do
  case $1 in
    --) shift && rest=("$@") && break ;;
    --*)
      name=${1#--} plain=$(sed -E 's/[0-9]+$//' <<<"${1#--}")
      [[ " $options " == *" $name "* || ($plain != "$name" && " $options " == *" ${plain}[n] "*) ]] ||
        refuse "Unknown option: $name
400 unable to parse option" 255
      [ $# -ge 2 ] || refuse "Option $name requires an argument" 255
      form=$(sed -n "s/^= $plain //p" "$here/options.txt")
      [[ -z $form || $2 =~ ^($form)$ ]] || refuse "400 Parameter verification failed.
$name: invalid format - $2" 255
      said[$name]=$2
      shift
      ;;
    *) args+=("$1") ;;
  esac
  shift
done
[ "${#args[@]}" -eq "$wanted" ] || refuse "400 not enough or too many arguments for $tool $command" 255

case "$tool $command" in
  'pvesm status')
    printf 'Name             Type     Status           Total            Used       Available        %%\n'
    while read -r name type status contents; do
      [[ " $contents " != *" ${said[content]-$contents} "* ]] || printf '%-16s %s %s 98559220 6120268 87386404 6.21%%\n' "$name" "$type" "$status"
    done <"$here/storages"
    exit
    ;;
  'pveam available') sed 's/^/system          /' "$here/offered" && exit ;;
  'pveam update') cat "$here/update" >>"$here/offered" && exit ;;
  'pveam list')
    printf 'NAME                                                         SIZE\n'
    sed -n "s|^${args[0]}:.*|&  123.45MB|p" "$here/templates"
    exit
    ;;
  'pveam download')
    grep -qxF -- "${args[1]}" "$here/offered" || refuse "400 Parameter verification failed.
template: no such template" 255
    echo "${args[0]}:vztmpl/${args[1]}" >>"$here/templates" && exit
    ;;
  'pvesh get')
    [ "${args[0]}" = /cluster/nextid ] || refuse "No '${args[0]}'" 255
    taken() { grep -qx "$1" "$here/taken" || [ -e "$here/guests/$1" ]; }
    if [ -n "${said[vmid]-}" ]; then
      ! taken "${said[vmid]}" || refuse "400 Parameter verification failed.
vmid: VM ${said[vmid]} already exists" 255
      echo "${said[vmid]}" && exit
    fi
    for ((n = 100; ; n++)); do taken "$n" || break; done
    echo "$n" && exit
    ;;
esac

# pct
number=${args[0]} guest=$here/guests/${args[0]}
[[ $number =~ ^[1-9][0-9]{2,8}$ ]] || refuse "400 Parameter verification failed.
vmid: type check ('integer') failed" 255
if [ "$command" = create ]; then
  [ ! -e "$guest" ] || refuse "CT $number already exists on node 'pve'" 255
  grep -qxF -- "${args[1]}" "$here/templates" || refuse "volume '${args[1]}' does not exist" 255
  [ -z "${said[ssh-public-keys]-}" ] || [ -s "${said[ssh-public-keys]}" ] || refuse 'no such file' 255
  mkdir -p "$guest/root" && echo stopped >"$guest/status"
  for name in "${!said[@]}"; do printf '%s: %s\n' "$name" "${said[$name]}"; done | sort >"$guest/config"
  [ -z "${said[ssh-public-keys]-}" ] || cp "${said[ssh-public-keys]}" "$guest/keys"
  exit 0
fi
[ -e "$guest" ] || refuse "Configuration file 'nodes/pve/lxc/$number.conf' does not exist" 2
status=$(cat "$guest/status")
running() { [ "$status" = running ] || refuse "container '$number' not running!" 255; }
case $command in
  start) [ "$status" = stopped ] || refuse "CT $number already running" 255; echo running >"$guest/status" ;;
  stop) running && echo stopped >"$guest/status" ;;
  status) echo "status: $status" ;;
  config) cat "$guest/config" ;;
  set) for name in "${!said[@]}"; do printf '%s: %s\n' "$name" "${said[$name]}"; done >>"$guest/config" ;;
  destroy)
    [ "$status" = stopped ] || [ "${said[force]-0}" = 1 ] || refuse "CT $number is running - destroy needs force" 255
    rm -r "$guest"
    ;;
  push)
    running
    [ -f "${args[1]}" ] || refuse "failed to open ${args[1]} for reading: No such file or directory" 2
    cp "${args[1]}" "$guest${args[2]}"
    ;;
  exec)
    running
    [ ${#rest[@]} -gt 0 ] || refuse 'missing command' 255
    case "${rest[*]}" in
      'systemctl is-system-running') cat "$here/systemd" ;;
      'hostname -I') cat "$here/address" ;;
      chpasswd) cat >"$guest/password" ;;
      '/usr/local/bin/deckhand version') echo 0.1.0 ;;
      '/usr/local/bin/deckhand token add '*) echo dh_made_by_the_stub ;;
      'test -e /opt/deckhand/installed.json') [ -e "$guest/installed" ] ;;
      'sh /root/deckhand-install.sh '*)
        [ "${rest[2]}" = --from ] || refuse 'install.sh: --from?' 2
        grep -q 'an install.sh' "$guest/root/deckhand-install.sh" || refuse 'install.sh is another file' 2
        [ -s "$guest${rest[3]}" ] || refuse 'install.sh: no release' 2
        touch "$guest/installed"
        ;;
      '/usr/local/bin/deckhand service upgrade --from '*) [ -s "$guest${rest[4]}" ] && touch "$guest/upgraded" ;;
      'rm -f '*) for file in "${rest[@]:2}"; do rm -f -- "$guest$file"; done ;;
    esac
    ;;
esac
