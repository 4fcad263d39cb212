/** What a probe saw, in a sentence of ours and rounded figures. Decides what counts as well: an open port, a certificate that verifies for three weeks more, a status below 400. Pure. */
import type { Connected, DnsReply, HttpSeen, RecordType, TlsSeen, Traced } from '../core/probe.ts';
import { rfc3339 } from '../core/text.ts';

const DAY_MS = 86_400_000;
/** Who renews does so a month before. */
export const SOON_DAYS = 21;

/** Tenths of a millisecond: what is below is noise of this host. */
export const round = (ms: number): number => Math.round(ms * 10) / 10;

const MEANS: Record<Connected['outcome'], string> = {
  open: 'open',
  refused: 'refused: the host is there, and nobody listens (or a firewall rejects)',
  filtered: 'filtered: nobody answered, as a firewall that drops or a host that is off',
  unreachable: 'unreachable: the network has no way there',
  error: 'failed',
};

export function connectSaid(tries: readonly ({ address: string } & Connected)[]): string {
  const one = (t: (typeof tries)[0]) => (t.outcome === 'error' ? `${MEANS.error}: ${t.why}` : MEANS[t.outcome]);
  const [first, second] = tries;
  if (!first) return '';
  if (!second) return one(first);
  return second.outcome === 'open' ? `open by ${second.address} only; ${first.address} ${first.outcome}` : one(first);
}

export function certificateSaid(t: TlsSeen, host: string, now: number) {
  const own = t.chain[0];
  const days = own && Number.isFinite(own.toMs) ? Math.floor((own.toMs - now) / DAY_MS) : null;
  const early = own !== undefined && own.fromMs > now;
  const why = t.wrong === null ? null : wrong(t.wrong, host, days, early);
  const soon = why === null && days !== null && days < SOON_DAYS;
  const said =
    why ??
    (soon
      ? `verifies, and expires in ${days} days`
      : `verifies; ${days === null ? 'its end is not told' : `${days} days left`}`);
  return {
    ok: why === null && !soon,
    said: `${t.protocol}, ${said}`,
    tls: {
      protocol: t.protocol,
      cipher: t.cipher,
      alpn: t.alpn,
      verifies: t.wrong === null,
      why,
      expiresInDays: days,
      chain: t.chain.map((c) => ({
        subject: c.subject,
        issuer: c.issuer,
        names: c.names.slice(0, 10),
        from: rfc3339(c.fromMs),
        to: rfc3339(c.toMs),
        key: c.key,
      })),
    },
  };
}

/** OpenSSL's words, by what an owner has to do. */
function wrong(reason: string, host: string, days: number | null, early: boolean): string {
  if (/ERR_TLS_CERT_ALTNAME_INVALID|altnames/i.test(reason)) return `its certificate is not for ${host}`;
  if (/CERT_HAS_EXPIRED/i.test(reason) || (days !== null && days < 0))
    return `its certificate expired ${days === null ? '' : `${-days} days ago`}`.trim();
  if (/CERT_NOT_YET_VALID/i.test(reason) || early)
    return 'its certificate is not valid yet (or this host’s clock is wrong)';
  if (/DEPTH_ZERO_SELF_SIGNED/i.test(reason)) return 'its certificate is signed by itself';
  if (/SELF_SIGNED_CERT_IN_CHAIN/i.test(reason)) return 'its chain ends in an authority that this host does not know';
  if (/UNABLE_TO_GET_ISSUER|UNABLE_TO_VERIFY_LEAF/i.test(reason))
    return 'a certificate of its chain is missing, or its authority is not known here';
  if (/REVOKED/i.test(reason)) return 'its certificate was revoked';
  return `it does not verify (${reason.slice(0, 120)})`;
}

export function httpSaid(
  v: HttpSeen,
  cert: { ok: boolean; tls: { verifies: boolean; why: string | null } } | null,
  now: number,
) {
  const parts = [`${v.status}${v.reason ? ` ${v.reason}` : ''}`];
  if (v.location !== null && v.status >= 300 && v.status < 400) parts.push(`leads to ${v.location}`);
  if (cert?.tls.why) parts.push(cert.tls.why);
  const theirs = v.headers.date === undefined ? Number.NaN : Date.parse(v.headers.date);
  if (Math.abs(theirs - now) > 5 * 60_000) parts.push('its clock and this host’s differ by more than 5 min');
  return { ok: v.status < 400 && (cert === null || cert.tls.verifies), said: parts.join('; ') };
}

export function pingSaid(p: { sent: number; received: number; ms: number[]; errors: string[]; by: 'icmp' | 'tcp' }) {
  const sorted = p.ms.toSorted((a, b) => a - b);
  const loss = p.sent === 0 ? null : Math.round(((p.sent - p.received) / p.sent) * 1_000) / 10;
  // Mean difference of neighbours (RFC 3550 without its smoothing).
  const steps = p.ms.slice(1).map((m, i) => Math.abs(m - (p.ms[i] as number)));
  const jitter = steps.length === 0 ? null : round(steps.reduce((a, b) => a + b, 0) / steps.length);
  const median = sorted.length === 0 ? null : round(sorted[Math.floor((sorted.length - 1) / 2)] as number);
  const said =
    p.received === 0
      ? `nobody answered${p.errors[0] ? ` (${p.errors[0]})` : ''}`
      : loss === 0
        ? `${p.received} of ${p.sent} answered`
        : `${loss} % lost`;
  return {
    ok: p.received > 0 && loss === 0,
    said: p.by === 'tcp' ? `${said}, by TCP` : said,
    ms: median,
    ping: {
      sent: p.sent,
      received: p.received,
      lossPercent: loss,
      minMs: sorted[0] === undefined ? null : round(sorted[0]),
      maxMs: sorted.length ? round(sorted.at(-1) as number) : null,
      jitterMs: jitter,
      by: p.by,
    },
  };
}

export function traceSaid(t: Traced) {
  const told = t.hops.filter((h) => h.address !== null);
  const last = told.at(-1);
  const said = t.reached
    ? `${t.hops.length} hops${t.mtu === null ? '' : `, path MTU ${t.mtu}`}`
    : `it was not reached; the last that answered is ${last ? `hop ${last.hop}, ${last.address}` : 'nobody'}`;
  return {
    ok: t.reached,
    said,
    ms: last?.ms ?? null,
    trace: { reached: t.reached, mtu: t.mtu, by: t.by, hops: t.hops },
  };
}

export function dnsSaid(r: DnsReply, type: RecordType) {
  const flags = [r.authoritative && 'aa', r.recursion && 'ra', r.authenticated && 'ad', r.truncated && 'tc'].filter(
    (f) => f !== false,
  );
  const data = r.answers.filter((a) => a.type === type).map((a) => a.data);
  const said =
    r.code !== 'NOERROR'
      ? r.code
      : data.length === 0
        ? `no ${type} record`
        : `${data.slice(0, 4).join(', ')}${data.length > 4 ? ` and ${data.length - 4} more` : ''}`;
  return {
    ok: r.code === 'NOERROR' && data.length > 0,
    said,
    ms: round(r.ms),
    dns: { code: r.code, flags, over: r.over, bytes: r.bytes, answers: r.answers, notTold: r.notTold },
  };
}

/** Servers that answered differently about one name. Null: they agree, or fewer than two answered. */
export function differ(
  rows: readonly {
    address: string | null;
    said: string;
    dns?: { code: string; answers: readonly { type: string; data: string }[] };
  }[],
): string | null {
  const answered = rows.filter((r) => r.dns !== undefined);
  const key = (r: (typeof rows)[0]) =>
    `${r.dns?.code} ${[...(r.dns?.answers ?? [])]
      .map((a) => `${a.type} ${a.data}`)
      .toSorted()
      .join(' ')}`;
  if (new Set(answered.map(key)).size < 2) return null;
  return answered.map((r) => `${r.address} says ${r.said}`).join('; ');
}
