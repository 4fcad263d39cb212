/** The scripted model of sweep_child.ts in a namespace, with what it sends counted by nftables on the other machine and on its own loopback. */
import { fileURLToPath } from 'node:url';
import { namespaced } from './namespace.ts';

const file = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export interface Swept {
  told: Record<string, { refused: number; told: number }>;
  /** New flows that the other machine saw, but for questions to its name server. */
  arrived: number;
  /** Connections to the host's own loopback. */
  loopback: number;
}

const SCRIPT = `
nft add table inet lo1
nft add chain inet lo1 i '{ type filter hook input priority -10; }'
nft add counter inet lo1 seen
nft add rule inet lo1 i iif lo ip daddr 127.0.0.0/8 tcp flags syn / syn,ack counter name seen
router nft add table inet far
router nft add chain inet far i '{ type filter hook input priority -10; }'
router nft add counter inet far seen
router nft add rule inet far i tcp flags syn / syn,ack counter name seen
router nft add rule inet far i icmp type echo-request counter name seen
said=$(mktemp -p "$AT"); router "$NODE" "$SERVERS" > "$said" 2>&1 & until grep -q up "$said"; do kill -0 $! || { cat "$said" >&2; exit 1; }; done
"$NODE" "$CHILD" $HOW > "$AT/told.json"
packets() { "$@" -j list counters | "$NODE" -e 'let s="";process.stdin.on("data",d=>s+=d).on("end",()=>console.log(JSON.parse(s).nftables.find(x=>x.counter?.name==="seen").counter.packets))'; }
echo "{\\"told\\":$(cat "$AT/told.json"),\\"arrived\\":$(packets router nft),\\"loopback\\":$(packets nft)}"
`;

export const sweep = (how: 'tool' | 'naive'): Promise<Swept> =>
  namespaced<Swept>(SCRIPT, { SERVERS: file('far_sweep.ts'), CHILD: file('sweep_child.ts'), HOW: how }, 300_000);
