#!/usr/bin/env bash
# Makes a container on a Proxmox VE node (8 or 9) with Deckhand in it. Runs alone: all it needs is this file, a release's tarball and
# the node's own tools. Decides how the container is made; what happens inside is install.sh's, which lies in the release.
# Every setting is checked before anything is done, and what a run that failed has made it takes away again.
set -Eeuo pipefail
export LC_ALL=C

usage() {
  cat <<'END'
Usage: [var_NAME=VALUE …] bash create.sh [--from deckhand-VERSION-linux-ARCH.tar.gz] [--sha256 HEX] [--dry-run] [--keep]
       bash create.sh --update CTID [--from FILE] [--sha256 HEX] [--dry-run]

  --from FILE    the release; without it the one that lies beside this script or in this folder
  --sha256 HEX   its checksum; without it what SHA256SUMS beside the release says
  --dry-run      check everything, say what would be run, change nothing
  --keep         leave the container standing when a step fails
  --update CTID  move the Deckhand in this container to the release

Settings, with their defaults:
  var_ctid=              next free number         var_hostname=deckhand
  var_os=debian          nothing else             var_version=13             or 12
  var_cpu=1              cores                    var_ram=512                MiB
  var_swap=512           MiB                      var_disk=4                 GiB
  var_storage=           for the disk             var_template_storage=      for the template
  var_bridge=vmbr0                                var_vlan=                  1 to 4094
  var_net=dhcp           or ADDRESS/PREFIX        var_gateway=               with an address of its own
  var_net6=              auto or dhcp             var_dns=                   address of a resolver
  var_unprivileged=1     0: root is root          var_nesting=1              0 is refused: see README.md
  var_onboot=1                                    var_protection=0
  var_tun=no             /dev/net/tun             var_docker=no              Docker inside
  var_ssh_key=           key, or file of keys     var_password=              of root; none: only keys and pct enter
  var_tags=deckhand      separated by ;           var_pool=
  var_allow=             powers for install.sh, e.g. "ping write=/srv"
  var_token=first        name of the first token  var_role=viewer            its role
END
}

known=' ctid hostname os version cpu ram swap disk storage template_storage bridge vlan net gateway net6 dns unprivileged nesting onboot protection tun docker ssh_key password tags pool allow token role '
var_ctid=${var_ctid-} var_hostname=${var_hostname-deckhand} var_os=${var_os-debian} var_version=${var_version-13}
var_cpu=${var_cpu-1} var_ram=${var_ram-512} var_swap=${var_swap-512} var_disk=${var_disk-4}
var_storage=${var_storage-} var_template_storage=${var_template_storage-} var_bridge=${var_bridge-vmbr0} var_vlan=${var_vlan-}
var_net=${var_net-dhcp} var_gateway=${var_gateway-} var_net6=${var_net6-} var_dns=${var_dns-}
var_unprivileged=${var_unprivileged-1} var_nesting=${var_nesting-1} var_onboot=${var_onboot-1} var_protection=${var_protection-0}
var_tun=${var_tun-no} var_docker=${var_docker-no} var_ssh_key=${var_ssh_key-} var_password=${var_password-}
var_tags=${var_tags-deckhand} var_pool=${var_pool-} var_allow=${var_allow-} var_token=${var_token-first} var_role=${var_role-viewer}
# What the programs started here have no business with: pct hands its environment on to the container.
export -n var_password

from='' sha256='' dry=no keep=no update='' temp='' creating=no made=no fetched='' powers=()

say() { printf '%s\n' "$*"; }
warn() { printf 'Careful: %s\n' "$*" >&2; }
die() {
  printf 'create.sh: %s\n' "$1" >&2
  [ -z "${2-}" ] || printf '  %s\n' "$2" >&2
  exit "${3-2}"
}
# The one way to whatever changes the node or the container.
change() {
  if [ "$dry" = no ]; then
    "$@"
  else
    [ "$1" != inside ] || set -- pct exec "$var_ctid" -- "${@:2}"
    printf '  would run:'
    printf ' %q' "$@"
    printf '\n'
  fi
}
# Without this shell's environment; `pct exec --keep-env 0` is newer than the oldest node this is for. pct sets a PATH of its own, without
# /usr/local/bin, and hands that on.
inside() { env -i PATH="$PATH" HOME=/root LC_ALL=C.UTF-8 TERM=dumb pct exec "$var_ctid" -- "$@"; }

ended() {
  local code=$1
  trap - EXIT
  trap '' INT TERM HUP
  [ -z "$temp" ] || rm -rf -- "$temp"
  [ "$code" -ne 0 ] || exit 0
  if [ "$made" = yes ] && [ "$keep" = no ]; then
    say "Taking the container $var_ctid away again, which this run made." >&2
    if pct destroy "$var_ctid" --force 1 --purge 1 >&2; then
      say "Gone. With --keep it would have been left, to look into." >&2
    else
      say "That failed, too. It is still there: pct destroy $var_ctid --force 1 --purge 1" >&2
    fi
  elif [ "$made" = yes ]; then
    say "The container $var_ctid stays, as --keep says: pct enter $var_ctid; away: pct destroy $var_ctid --force 1 --purge 1" >&2
  elif [ "$creating" = yes ]; then
    say "pct create did not end well. If \`pct config $var_ctid\` shows something, it is of this run: pct destroy $var_ctid --purge 1" >&2
  fi
  [ -z "$fetched" ] || say "The template that was fetched stays for the next run; away: pveam remove $fetched" >&2
  exit "$code"
}
trap 'ended $?' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# --- what is asked for -------------------------------------------------------------------------------------------------------------
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage && exit 0 ;;
    --dry-run) dry=yes ;;
    --keep) keep=yes ;;
    --from | --sha256 | --update)
      [ -n "${2-}" ] || die "$1 needs a value." 'bash create.sh --help lists all.'
      case $1 in --from) from=$2 ;; --sha256) sha256=$2 ;; *) update=$2 ;; esac
      shift
      ;;
    *) die "Unknown: $1" 'bash create.sh --help lists all.' ;;
  esac
  shift
done

# A setting with a slip in its name would silently be its default.
for name in $(compgen -A variable var_ || true); do
  case $known in *" ${name#var_} "*) ;; *) die "There is no setting $name." 'bash create.sh --help lists all.' ;; esac
done

# Whole-string matches: a line break in a value must not hide a second line behind a good first one.
matches() { [[ $2 =~ ^($3)$ ]] || die "$1 is ${4}, not $(printf '%q' "$2")."; }
between() {
  matches "$1" "$2" '0|[1-9][0-9]{0,8}' "a number from $3 to $4"
  ((10#$2 >= $3 && 10#$2 <= $4)) || die "$1 is a number from $3 to $4, not $2."
}
address='((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])'
number() {
  local a b c d
  IFS=. read -r a b c d <<<"$1"
  printf '%d' "$(((10#$a << 24) + (10#$b << 16) + (10#$c << 8) + 10#$d))"
}

check_settings() {
  [ -z "$var_ctid" ] || between var_ctid "$var_ctid" 100 999999999
  local label='[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?'
  matches var_hostname "$var_hostname" "$label(\.$label)*" 'the name of a host'
  [ ${#var_hostname} -le 253 ] || die 'var_hostname is longer than 253 characters.'
  [ "$var_os" = debian ] || die "var_os is debian, not $(printf '%q' "$var_os")." 'Deckhand is tried on Debian 12 and 13.'
  matches var_version "$var_version" '12|13' '12 or 13'
  between var_cpu "$var_cpu" 1 512
  between var_ram "$var_ram" 256 1048576
  between var_swap "$var_swap" 0 1048576
  between var_disk "$var_disk" 2 8192
  local storage='[a-zA-Z][a-zA-Z0-9._-]{0,98}[a-zA-Z0-9]'
  [ -z "$var_storage" ] || matches var_storage "$var_storage" "$storage" 'the name of a storage'
  [ -z "$var_template_storage" ] || matches var_template_storage "$var_template_storage" "$storage" 'the name of a storage'
  matches var_bridge "$var_bridge" '[a-zA-Z][a-zA-Z0-9._-]{0,14}' 'the name of a bridge'
  [ -z "$var_vlan" ] || between var_vlan "$var_vlan" 1 4094
  if [ "$var_net" = dhcp ]; then
    [ -z "$var_gateway" ] || die 'var_gateway is for an address of its own; with dhcp the network says it.'
  else
    matches var_net "$var_net" "$address/([89]|[12][0-9]|3[0-2])" 'dhcp, or an IPv4 address with its prefix such as 192.0.2.10/24'
    [ -n "$var_gateway" ] || die 'var_gateway is missing: an address of its own needs it.'
    matches var_gateway "$var_gateway" "$address" 'an IPv4 address'
    local shift=$((32 - ${var_net#*/}))
    (($(number "${var_net%/*}") >> shift == $(number "$var_gateway") >> shift)) ||
      die "var_gateway ($var_gateway) is outside of $var_net."
    [ "${var_net%/*}" != "$var_gateway" ] || die 'var_gateway is the address of the container itself.'
  fi
  matches var_net6 "$var_net6" '|auto|dhcp' 'empty, auto or dhcp'
  matches var_dns "$var_dns" "|$address|[0-9a-fA-F:]{2,39}" 'empty or an address'
  local name
  for name in unprivileged nesting onboot protection; do
    local value=var_$name
    matches "$value" "${!value}" '0|1' '0 or 1'
  done
  [ "$var_nesting" = 1 ] ||
    die 'Without nesting systemd cannot set up the sandbox of the service (226/NAMESPACE).' 'Leave var_nesting at 1; lxc/README.md says what it shows.'
  matches var_tun "$var_tun" 'yes|no' 'yes or no'
  matches var_docker "$var_docker" 'yes|no' 'yes or no'
  matches var_tags "$var_tags" '|[a-zA-Z0-9_][a-zA-Z0-9_+.-]*([;,][a-zA-Z0-9_][a-zA-Z0-9_+.-]*)*' 'a list of words with ; between them'
  matches var_pool "$var_pool" '|[a-zA-Z0-9_][a-zA-Z0-9_./-]{0,63}' 'the name of a pool'
  matches var_token "$var_token" '[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}' 'the name of a token'
  matches var_role "$var_role" 'viewer|operator|admin' 'viewer, operator or admin'
  # Not by `matches`, which shows what it refuses.
  [[ -z $var_password || $var_password =~ ^[^[:cntrl:]:]{5,128}$ ]] ||
    die 'var_password is of 5 to 128 characters, without colon and control characters.'
  read -r -a powers <<<"${var_allow//[$'\n\t',]/ }"
  for name in "${powers[@]}"; do
    matches var_allow "$name" '[a-z][a-z-]{1,30}|write=/[a-zA-Z0-9._/@+-]{1,200}' 'a list of powers such as "ping write=/srv"'
  done
}

# Which release, and whether it is what its maker made.
check_release() {
  case $(uname -m) in
    x86_64) arch=x64 debian_arch=amd64 ;;
    aarch64) arch=arm64 debian_arch=arm64 ;;
    *) die "There is no release for $(uname -m)." ;;
  esac
  if [ -z "$from" ]; then
    local here found=() file
    here=$(dirname -- "${BASH_SOURCE[0]}")
    for file in "$PWD"/deckhand-*-linux-"$arch".tar.gz "$here"/deckhand-*-linux-"$arch".tar.gz; do
      [ ! -f "$file" ] || [[ " ${found[*]-} " == *" $(realpath -- "$file") "* ]] || found+=("$(realpath -- "$file")")
    done
    [ ${#found[@]} -eq 1 ] ||
      die "Which release? ${#found[@]} files named deckhand-VERSION-linux-$arch.tar.gz are here." "Say --from FILE; \`npm run release\` in a checkout makes one."
    from=${found[0]}
  fi
  release=$(basename -- "$from")
  matches --from "$release" "deckhand-[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?-linux-$arch\.tar\.gz" "a file deckhand-VERSION-linux-$arch.tar.gz"
  [ -f "$from" ] || die "There is no file $from."
  folder=${release%.tar.gz}
  if [ -z "$sha256" ]; then
    local sums
    sums=$(dirname -- "$from")/SHA256SUMS
    [ ! -f "$sums" ] || sha256=$(awk -v name="$release" '$2 == name || $2 == "*" name { print $1; exit }' "$sums")
    [ -n "$sha256" ] || die "Nothing says what the checksum of $release should be." 'Put SHA256SUMS of the release beside it, or say --sha256 HEX.'
  fi
  matches --sha256 "$sha256" '[0-9a-fA-F]{64}' 'the 64 hex digits of a SHA-256'
  local is
  is=$(sha256sum -- "$from")
  [ "${is:0:64}" = "${sha256,,}" ] || die "$release is not what was released: its SHA-256 is ${is:0:64}." 'Fetch it again, and SHA256SUMS too.'
  local list power
  list=$(tar -tzf "$from") || die "$from cannot be read as a tarball."
  grep -qxF "$folder/install.sh" <<<"$list" || die "$release holds no $folder/install.sh."
  for power in "${powers[@]}"; do
    grep -qxF "$folder/deploy/systemd/powers/${power%%=*}.conf" <<<"$list" ||
      die "This release has no power $power." "It has: $(sed -n "s:^$folder/deploy/systemd/powers/\(.*\)\.conf\$:\1:p" <<<"$list" | sort | tr '\n' ' ')"
  done
}

# --- what the node says to it ------------------------------------------------------------------------------------------------------
check_node() {
  [ "$(id -u)" = 0 ] || die 'Only root may make containers.' 'Run it in the shell of the node.' 3
  local tool version
  for tool in pct pvesh pvesm pveam pveversion ip tar sha256sum; do
    command -v "$tool" >/dev/null || die "There is no $tool here: this runs on a Proxmox VE node." '' 7
  done
  version=$(pveversion)
  [[ $version =~ ^pve-manager/([0-9]+)\.([0-9]+) ]] || die "pveversion says $(printf '%q' "$version")." '' 7
  pve=$((BASH_REMATCH[1] * 100 + BASH_REMATCH[2]))
  ((pve >= 800)) || die "Proxmox VE ${BASH_REMATCH[1]}.${BASH_REMATCH[2]} is too old: 8 or 9." '' 7
}

# The storage that was named, or the first that is fit; $1 what for, $2 its setting, $3 the one to prefer.
storage_for() {
  local fit name=${!2}
  # Columns: name, type, status, …
  fit=$(pvesm status --content "$1" --enabled 1 | awk 'NR > 1 && $3 == "active" { print $1 }') || die 'pvesm does not say which storages there are.' '' 7
  if [ -n "$name" ]; then
    grep -qxF -- "$name" <<<"$fit" || die "$2=$name is no active storage for $1." "There are: $(tr '\n' ' ' <<<"$fit")"
  elif grep -qxF -- "$3" <<<"$fit"; then
    name=$3
  else
    name=$(head -n 1 <<<"$fit")
    [ -n "$name" ] || die "No active storage takes $1." "Datacenter → Storage: allow the content \"$1\" on one."
  fi
  printf '%s' "$name"
}

newest() { grep -oE "debian-$var_version-standard_[0-9.]+-[0-9]+_$debian_arch\.tar\.(zst|xz|gz)" | sort -uV | tail -n 1 || true; }

find_template() {
  template=$(pveam list "$var_template_storage" | newest)
  [ -z "$template" ] || return 0
  local offered
  offered=$(pveam available --section system | newest)
  if [ -z "$offered" ] && [ "$dry" = no ]; then
    pveam update >/dev/null || die 'The list of templates could not be fetched.' 'Has the node a way to the Internet? Else put the template on the storage by hand.' 7
    offered=$(pveam available --section system | newest)
  fi
  [ -n "$offered" ] || die "There is no template of Debian $var_version." "pveam update; pveam available --section system"
  missing=yes template=$offered
}

next_number() {
  local said
  said=$(pvesh get /cluster/nextid) || die 'pvesh gives no free number.' '' 7
  said=${said//\"/}
  between 'the number from pvesh' "$said" 100 999999999
  printf '%s' "$said"
}

make() {
  [ -n "$var_ctid" ] || var_ctid=$(next_number)
  # Of the whole cluster: a guest on another node has its number, too.
  pvesh get /cluster/nextid --vmid "$var_ctid" >/dev/null 2>&1 ||
    die "The number $var_ctid is taken." "var_ctid=$(next_number) is free; a Deckhand in $var_ctid is moved to this release by --update $var_ctid." 5
  var_storage=$(storage_for rootdir var_storage local-lvm)
  var_template_storage=$(storage_for vztmpl var_template_storage local)
  ip -o link show dev "$var_bridge" >/dev/null 2>&1 || die "There is no bridge $var_bridge on this node." "ip -br link show type bridge"
  [ "$var_tun" = no ] || [ -c /dev/net/tun ] || die 'There is no /dev/net/tun on this node.' 'modprobe tun'
  missing=no
  find_template

  [ "$var_unprivileged" = 1 ] || warn 'in a privileged container root is the root of the node: a hole in anything inside is a hole in the node.'
  [ "$var_docker" = no ] || warn 'Docker in a container needs keyctl, and an update of its runc has broken it before (runc issue 4968). Proxmox recommends a VM for it.'

  if [ "$missing" = yes ]; then
    say "Fetching the template $template."
    change pveam download "$var_template_storage" "$template" || die "The template could not be fetched." '' 7
    [ "$dry" = yes ] || fetched=$var_template_storage:vztmpl/$template
  fi
  local features=nesting=1 net="name=eth0,bridge=$var_bridge,ip=$var_net"
  [ "$var_docker" = no ] || features+=,keyctl=1
  [ -z "$var_gateway" ] || net+=",gw=$var_gateway"
  [ -z "$var_net6" ] || net+=",ip6=$var_net6"
  [ -z "$var_vlan" ] || net+=",tag=$var_vlan"
  local options=(
    --hostname "$var_hostname" --ostype debian --arch "$debian_arch" --unprivileged "$var_unprivileged" --features "$features"
    --cores "$var_cpu" --memory "$var_ram" --swap "$var_swap" --rootfs "$var_storage:$var_disk" --net0 "$net" --onboot "$var_onboot"
    --description "Deckhand, an MCP server for this container. Update: lxc/create.sh --update $var_ctid"
  )
  [ -z "$var_tags" ] || options+=(--tags "$var_tags")
  [ -z "$var_pool" ] || options+=(--pool "$var_pool")
  [ -z "$var_dns" ] || options+=(--nameserver "$var_dns")
  [ -z "$keys" ] || options+=(--ssh-public-keys "$keys")
  say "Making the container $var_ctid ($var_hostname)."
  creating=$([ "$dry" = yes ] || echo yes)
  change pct create "$var_ctid" "$var_template_storage:vztmpl/$template" "${options[@]}" || die 'pct create failed.' '' 1
  [ "$dry" = yes ] || made=yes
  if [ "$var_tun" = yes ] && ((pve >= 801)); then
    change pct set "$var_ctid" --dev0 /dev/net/tun,mode=0666 || die '/dev/net/tun could not be handed in.' '' 1
  elif [ "$var_tun" = yes ]; then
    change add_tun "${PVE_ETC:-/etc/pve}/lxc/$var_ctid.conf" || die '/dev/net/tun could not be handed in.' '' 1
  fi
  change pct start "$var_ctid" || die 'The container does not start.' "journalctl -u pve-container@$var_ctid" 1
}
# How it was done before `dev0`.
add_tun() {
  printf '%s\n' 'lxc.cgroup2.devices.allow: c 10:200 rwm' \
    'lxc.mount.entry: /dev/net/tun dev/net/tun none bind,create=file' >>"$1"
}

# A key, or a file of keys: pct wants a file.
keys_file() {
  keys=$var_ssh_key
  [ -n "$keys" ] || return 0
  if [ ! -f "$keys" ]; then
    matches var_ssh_key "$keys" '(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-[a-z0-9@.-]+) [A-Za-z0-9+/=]{40,}( [^[:cntrl:]]*)?' 'a public key or a file of them'
    keys=$temp/keys
    printf '%s\n' "$var_ssh_key" >"$keys"
  fi
  ! grep -q 'PRIVATE KEY' "$keys" || die "$var_ssh_key is a private key: give the public one (.pub)."
  ssh-keygen -l -f "$keys" >/dev/null 2>&1 || die "var_ssh_key holds no public key." "ssh-keygen -l -f $(printf '%q' "$keys")"
}

# --- inside ------------------------------------------------------------------------------------------------------------------------
waited() {
  local seconds=$1
  shift
  for ((; seconds > 0; seconds -= 3)); do
    "$@" && return 0
    sleep 3
  done
  return 1
}
up() { [[ $(inside systemctl is-system-running 2>/dev/null || true) =~ ^(running|degraded)$ ]]; }
addressed() {
  reached=$(inside hostname -I 2>/dev/null | awk '{ print $1 }') || true
  [ -n "$reached" ]
}

ready() {
  reached=''
  [ "$dry" = no ] || return 0
  say 'Waiting for its systemd and its network.'
  waited 90 up || die "systemd in $var_ctid has not come up within 90 seconds." "pct enter $var_ctid; systemctl --failed" 8
  waited 60 addressed || warn "the container has no address: is there DHCP on $var_bridge? Deckhand is installed all the same."
  reached=${reached:-ADDRESS}
}

push() {
  tar -xzOf "$from" "$folder/install.sh" >"$temp/install.sh"
  change pct push "$var_ctid" "$from" "/root/$release" --perms 0600 || die 'The release could not be copied into the container.' 'Has its disk room? var_disk=8' 1
  change pct push "$var_ctid" "$temp/install.sh" /root/deckhand-install.sh --perms 0700 || die 'install.sh could not be copied into the container.' '' 1
}

furnish() {
  if [ -n "$var_password" ]; then
    # By way of a pipe: an argument stands in the list of processes.
    if [ "$dry" = yes ]; then say '  would run: pct exec … chpasswd'; else inside chpasswd <<<"root:$var_password" || die 'The password was not taken.' '' 1; fi
  fi
  if [ "$var_docker" = yes ]; then
    say 'Installing Docker.'
    change inside sh -c 'apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends docker.io' ||
      die 'Docker could not be installed.' "pct exec $var_ctid -- apt-get update" 1
  fi
  local allowed=() power
  for power in "${powers[@]}"; do allowed+=(--allow "$power"); done
  push
  say "Installing $folder."
  change inside sh /root/deckhand-install.sh --from "/root/$release" --sha256 "${sha256,,}" "${allowed[@]}" ||
    die 'install.sh failed; what it said is above.' '' 1
  tidy
  # Last of all: before, it would keep this run from taking away what it made.
  [ "$var_protection" = 0 ] || change pct set "$var_ctid" --protection 1 || warn 'it could not be protected.'
  # From here on it stands and works: what fails now is told, and nothing is taken away.
  made=no
}
tidy() { change inside rm -f "/root/$release" /root/deckhand-install.sh || true; }

renew() {
  var_ctid=$update
  [[ $(pct status "$var_ctid") == 'status: running' ]] || die "The container $var_ctid does not run here." "pct start $var_ctid" 4
  inside test -e /opt/deckhand/installed.json || die "There is no Deckhand in $var_ctid that install.sh made." '' 4
  push
  change inside /usr/local/bin/deckhand service upgrade --from "/root/$release" --sha256 "${sha256,,}" || die "The update failed; what it said is above. The version before is still there." "pct exec $var_ctid -- /usr/local/bin/deckhand service status" 1
  tidy
  [ "$dry" = yes ] || say "Deckhand in $var_ctid is $(inside /usr/local/bin/deckhand version)."
}

told() {
  [ "$dry" = no ] || { say 'Nothing was changed.' && return 0; }
  local token tunnel="root@$reached" ssh="ssh root@$reached deckhand stdio"
  token=$(inside /usr/local/bin/deckhand token add "$var_token" --role "$var_role") || token=''
  # A password does not open sshd of Debian to root.
  [ -n "$keys" ] || ssh=''
  cat <<END

Deckhand runs in the container $var_ctid ($var_hostname, $reached).

Without a token, by ssh:
  claude mcp add $var_hostname -- ${ssh:-ssh root@$(hostname) pct exec $var_ctid -- /usr/local/bin/deckhand stdio}
By its URL, which listens inside only: keep \`ssh -NL 7070:127.0.0.1:7070 $tunnel\` open, then
  claude mcp add --transport http $var_hostname http://127.0.0.1:7070/mcp --header "Authorization: Bearer ${token:-TOKEN}"
END
  [ -n "$token" ] || warn "no token was made: pct exec $var_ctid -- /usr/local/bin/deckhand token add $var_token --role $var_role"
  [ -n "$ssh" ] || say "  (ssh into the container needs a key there: var_ssh_key, or pct enter $var_ctid)"
  cat <<END

Next:
  other clients      deckhand client print CLIENT     (on your machine)
  what it cannot see pct exec $var_ctid -- /usr/local/bin/deckhand doctor
  a tailnet          $([ "$var_tun" = yes ] && echo 'install Tailscale inside, then' || echo 'needs var_tun=yes; then') deckhand tailnet setup
  a newer version    bash create.sh --update $var_ctid --from FILE
  away               pct destroy $var_ctid --force 1 --purge 1
END
}

umask 077
temp=$(mktemp -d)
keys=''
check_settings
keys_file
[ -z "$update" ] || between --update "$update" 100 999999999
check_release
check_node
if [ -n "$update" ]; then
  renew
else
  make
  ready
  furnish
  told
fi
