/**
 * A whole status, with the machines of the tailnet. Pure. Keys, endpoints and addresses to sign in stay behind. A peer that is not
 * understood is left out and counted: one odd machine must not hide the others.
 */
import type { TailnetNetwork, TailnetPeer } from '../../core/tailnet.ts';
import { isRecord, isSet, type Json, json, recordOf, textOf, textsOf, timeOf, withoutDot } from './json.ts';
import { statusIn } from './parse.ts';

/** Tailnets of companies have some thousands. */
const MOST_PEERS = 10_000;

export function networkOf(text: string, { peers: wanted }: { peers: boolean }): TailnetNetwork {
  const body = json(text);
  const self = recordOf(body.Self);
  const status = statusIn(body);
  const users = recordOf(body.User);
  const said = Object.values(recordOf(body.Peer));
  const read = said.slice(0, MOST_PEERS).filter(isRecord);
  const newer = recordOf(body.ClientVersion);
  return {
    ...status,
    version: textOf(body.Version),
    os: textOf(self.OS),
    owner: status.tags.length > 0 ? null : loginOf(self, users),
    tailnet: textOf(recordOf(body.CurrentTailnet).Name),
    update: newer.RunningLatest === false ? textOf(newer.LatestVersion) : null,
    peers: wanted ? read.map((peer) => peerOf(peer, users, status.suffix)) : null,
    whyNoPeers: wanted ? null : 'they were not asked for',
    notRead: wanted ? said.length - read.length : 0,
  };
}

/** Ids are only looked up by the text they stand in; as numbers they may exceed 2^53, and two of them become one. */
function loginOf(node: Json, users: Json): string | null {
  const id = node.UserID;
  if (typeof id !== 'number' || !Number.isSafeInteger(id)) return null;
  return textOf(recordOf(users[String(id)]).LoginName);
}

const countOf = (v: unknown): number | null => (typeof v === 'number' && v >= 0 ? v : null);

function peerOf(peer: Json, users: Json, suffix: string | null): TailnetPeer {
  const tags = textsOf(peer.Tags);
  const full = withoutDot(textOf(peer.DNSName)) ?? textOf(peer.HostName) ?? '?';
  const online = typeof peer.Online === 'boolean' ? peer.Online : null;
  const offered = isSet(peer.ExitNodeOption);
  return {
    name: suffix !== null && full.endsWith(`.${suffix}`) ? full.slice(0, -suffix.length - 1) : full,
    owner: tags.length > 0 ? null : loginOf(peer, users),
    tags,
    os: textOf(peer.OS),
    addresses: textsOf(peer.TailscaleIPs),
    online,
    lastSeenMs: online === true ? null : timeOf(peer.LastSeen),
    path: pathOf(peer),
    relay: textOf(peer.Relay),
    exitNode: isSet(peer.ExitNode) ? 'in use' : offered ? 'offered' : null,
    rxBytes: countOf(peer.RxBytes),
    txBytes: countOf(peer.TxBytes),
    expired: isSet(peer.Expired),
    shared: isSet(peer.ShareeNode) || isSet(peer.AltSharerUserID),
    rented: offered && isSet(peer.Location) && !isSet(peer.ExitNode) && !isSet(peer.Active),
  };
}

function pathOf(peer: Json): TailnetPeer['path'] {
  if (typeof peer.Active !== 'boolean') return null;
  if (!peer.Active) return 'idle';
  if (isSet(peer.CurAddr)) return 'direct';
  if (isSet(peer.PeerRelay)) return 'peer relay';
  return isSet(peer.Relay) ? 'relay' : null;
}
