/** What an open port may still get wrong: silence, certificates, an error in HTTP. And the last word, that it can be reached. Pure. */
import { duration } from '../core/text.ts';
import type { CauseHit, CauseRow } from './diagnose.ts';
import { open, type ReachFacts, said } from './reach_seen.ts';

const CERTIFICATE = 'net_probe {"kind":"tls","targets":["{HOST}:{PORT}"]}';

function certificate(f: ReachFacts, is: RegExp): CauseHit | null {
  if (!f.tls || !('seen' in f.tls) || f.tls.seen.wrong === null || !is.test(f.tls.seen.wrong)) return null;
  const { subject, issuer, days, wrong } = f.tls.seen;
  return {
    certainty: 'certain',
    evidence: [
      `of ${said(subject)}, by ${said(issuer)}`,
      ...(days === null ? [] : [days < 0 ? `expired ${-days} days ago` : `${days} days left`]),
      said(wrong),
    ],
  };
}

const KNOWN = /EXPIRED|NOT_YET_VALID|ALTNAME|DEPTH_ZERO_SELF_SIGNED/i;

export const CAUSES_ANSWER: readonly CauseRow<ReachFacts>[] = [
  {
    id: 'certificate_expired',
    when: 'its certificate is out of date',
    sentence: 'Its certificate has expired: clients refuse it.',
    next: CERTIFICATE,
    test: (f) => certificate(f, /EXPIRED/i),
  },
  {
    id: 'certificate_early',
    when: 'its certificate is not valid yet',
    sentence: 'Its certificate is not valid yet, or the clock of this host is wrong.',
    next: 'system_overview {}',
    test: (f) => certificate(f, /NOT_YET_VALID/i),
  },
  {
    id: 'certificate_name',
    when: 'its certificate is for other names',
    sentence: 'Its certificate is for other names: clients refuse it.',
    next: CERTIFICATE,
    test: (f) => certificate(f, /ALTNAME/i),
  },
  {
    id: 'certificate_self_signed',
    when: 'its certificate is signed by itself',
    sentence: 'Its certificate is signed by itself: who does not know it refuses it.',
    next: CERTIFICATE,
    test: (f) => certificate(f, /DEPTH_ZERO_SELF_SIGNED/i),
  },
  {
    id: 'certificate_untrusted',
    when: 'its chain is not complete, or ends in an authority that this host does not know',
    sentence:
      'Its certificate cannot be traced to an authority that this host knows: a link of the chain is missing, or the authority is a private one.',
    next: CERTIFICATE,
    test: (f) => (f.tls && 'seen' in f.tls && KNOWN.test(f.tls.seen.wrong ?? '') ? null : certificate(f, /./)),
  },
  {
    id: 'server_silent',
    when: 'the connection opens, and the server never answers',
    sentence: 'The port is open and its server never answers: it hangs, or speaks another protocol.',
    next: 'on that host: ss -tnp | grep :{PORT}',
    test(f) {
      const silent = [f.tls, f.http].find((x) => x !== null && 'silent' in x && x.silent);
      if (!open(f) || !silent || !('failed' in silent)) return null;
      // Then it is the way that swallows its answer.
      if (f.large && !f.large.passes) return null;
      return { certainty: 'certain', evidence: [said(silent.failed)] };
    },
  },
  {
    id: 'tls_failed',
    when: 'the connection opens, and TLS cannot be agreed on',
    sentence: 'The port is open, and TLS cannot be agreed on: it speaks plain HTTP, or versions that are not ours.',
    next: CERTIFICATE,
    test: (f) =>
      f.tls && 'failed' in f.tls && !f.tls.silent ? { certainty: 'certain', evidence: [said(f.tls.failed)] } : null,
  },
  {
    id: 'http_failed',
    when: 'the connection opens, and what comes is no HTTP, or ends in the middle',
    sentence: 'The port is open, and what it says is no answer.',
    next: 'net_probe {"kind":"tcp","targets":["{HOST}:{PORT}"]}',
    test: (f) =>
      f.http && 'failed' in f.http && !f.http.silent ? { certainty: 'certain', evidence: [said(f.http.failed)] } : null,
  },
  {
    id: 'http_error',
    when: 'the server answers with status 500 or above',
    sentence: 'It is reached, and fails inside: its own log says why.',
    next: 'on that host: look at the log of the service',
    test: (f) =>
      f.http && 'status' in f.http && f.http.status >= 500
        ? { certainty: 'certain', evidence: [`${f.http.status} ${said(f.http.reason)}`] }
        : null,
  },
  {
    id: 'http_refused',
    when: 'the server answers with a status from 400 to 499',
    sentence: 'It is reached, and refuses this request: the path, or a right that is missing.',
    next: 'net_probe {"kind":"http","targets":["{URL}"]}',
    test: (f) =>
      f.http && 'status' in f.http && f.http.status >= 400 && f.http.status < 500
        ? { certainty: 'likely', evidence: [`${f.http.status} ${said(f.http.reason)}`] }
        : null,
  },
  {
    id: 'not_unreachable',
    when: 'every step of the way is well',
    sentence: 'It can be reached from here: name, route, port and answer are well.',
    next: 'net_probe {"kind":"ping","targets":["{HOST}"],"count":10}',
    last: true,
    test(f) {
      const at = open(f);
      if (at)
        return { certainty: 'certain', evidence: [`${at.address} port ${f.port}: open after ${duration(at.is.ms)}`] };
      const heard = f.own && (f.listeners?.length ?? 0) > 0 && f.tried === null;
      return heard
        ? {
            certainty: 'likely',
            evidence: [`somebody listens on port ${f.port}`],
            sentence: 'It is this host itself, and somebody listens there.',
          }
        : null;
    },
  },
];
