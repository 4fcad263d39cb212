/**
 * A host of its own for one question: a network namespace with an interface `eth0` (10.9.0.1) on a second namespace that plays the
 * router (10.9.0.254), a firewall that lets in SSH only, and a resolver. Nothing of it touches the machine or outlives the call.
 */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ASKED = fileURLToPath(new URL('asked.ts', import.meta.url));
const FAR = fileURLToPath(new URL('far.ts', import.meta.url));

/** Why namespaces cannot be made here; empty when they can. */
export function lacking(): string[] {
  const missing = ['ip', 'nft', 'unshare', 'nsenter'].filter(
    (tool) => !['/usr/sbin', '/usr/bin', '/sbin', '/bin'].some((dir) => existsSync(`${dir}/${tool}`)),
  );
  if (process.getuid?.() !== 0) missing.push('root');
  else
    try {
      execFileSync('unshare', ['-n', '-m', '-p', '--fork', 'true'], { stdio: 'ignore' });
    } catch {
      missing.push('the right to make namespaces');
    }
  return missing;
}

const BASE = `
set -e
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount --bind "$AT/resolv.conf" /etc/resolv.conf
ip link set lo up
unshare -n sleep "$LONG" & ROUTER=$!
router() { nsenter -t $ROUTER -n "$@"; }
# Until the child has its own namespace.
until [ "$(readlink /proc/$ROUTER/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done
# The kernel tells of a carrier a little later.
carries() { while ip link show $1 | grep -q NO-CARRIER; do sleep 0.02; done; }
ip link add eth0 type veth peer name up0 netns $ROUTER
router ip addr add 10.9.0.254/24 dev up0
router ip link set up0 up
router ip link set lo up
ip addr add 10.9.0.1/24 dev eth0
ip link set eth0 up
carries eth0
ip route add default via 10.9.0.254
echo 'nameserver 10.9.0.254' > /etc/resolv.conf
nft add table inet fw
nft add chain inet fw input '{ type filter hook input priority 0; policy drop; }'
nft add rule inet fw input ct state established,related accept
nft add rule inet fw input iif lo accept
nft add rule inet fw input meta l4proto ipv6-icmp accept
nft add rule inet fw input tcp dport 22 accept
allow() { nft add rule inet fw input tcp dport $1 accept; }
# listens ADDRESS PORT
listens() {
  "$NODE" -e 'require("net").createServer().listen(+process.argv[2], process.argv[1], () => console.log("up"))' $1 $2 > "$AT/l$2" &
  until grep -q up "$AT/l$2"; do :; done
}
# far JSON: servers on the other machine (far.ts), one program for each call.
far() {
  local said=$(mktemp -p "$AT")
  router "$NODE" "$FAR" "$1" > "$said" 2>&1 &
  until grep -q up "$said"; do kill -0 $! || { cat "$said" >&2; exit 1; }; done
}
second() {
  ip link add eth1 type veth peer name up1 netns $ROUTER
  router ip link set up1 up
  ip addr add $1 dev eth1
  ip link set eth1 up
  carries eth1
}
`;

export interface Asked<A> {
  answer: A;
  text: string;
}

/** `script` changes that host, in bash; then the tool is asked in it. */
export const inNamespace = <A>(
  script: string,
  tool: string,
  args: unknown = {},
  env: Record<string, string> = {},
): Promise<Asked<A>> =>
  namespaced<Asked<A>>(`${script}\n"$NODE" "$ASKED" "$TOOL" "$ARGS"\n`, {
    ...env,
    TOOL: tool,
    ARGS: JSON.stringify(args),
  });

/** As lines of bash on that host; what they print is JSON. */
export async function namespaced<A>(script: string, env: Record<string, string> = {}, timeout = 40_000): Promise<A> {
  const at = mkdtempSync(join(tmpdir(), 'deckhand-net-'));
  try {
    writeFileSync(join(at, 'resolv.conf'), '');
    const whole = `${BASE}\n${script}\n`;
    const { stdout } = await promisify(execFile)(
      'unshare',
      ['-n', '-m', '-p', '--fork', '--kill-child', 'bash', '-c', whole],
      {
        timeout,
        maxBuffer: 64 * 1024 * 1024,
        env: {
          PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
          NODE: process.execPath,
          ASKED,
          AT: at,
          FAR,
          LONG: String(timeout / 1_000 + 20),
          ...env,
        },
      },
    );
    return JSON.parse(stdout) as A;
  } finally {
    rmSync(at, { recursive: true, force: true });
  }
}
