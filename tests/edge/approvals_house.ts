/** The HTTP face with a door that asks, a question that waits, and its link: what the tests of the page and of the browser stand on. */
import { hash } from 'node:crypto';
import { type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Principal } from '../../src/core/call.ts';
import type { Notice } from '../../src/core/notice.ts';
import { createRedactor } from '../../src/core/redact.ts';
import { createHttp, type HttpOptions } from '../../src/edge/http.ts';
import { createApprovals } from '../../src/policy/approve.ts';
import { byToken } from '../../src/policy/authenticate.ts';
import type { Listener } from '../../src/policy/credentials.ts';
import { createDeciding } from '../../src/policy/deciding.ts';
import { createLinks } from '../../src/policy/links.ts';
import { createNotices } from '../../src/policy/notices.ts';
import type { ApprovalRequest, Policy } from '../../src/policy/ports.ts';
import { openApprovalLinks } from '../../src/store/approval_links.ts';
import { openApprovals } from '../../src/store/approvals.ts';
import { memoryDb } from '../fakes/memory_db.ts';
import { callOf, operator, quiet, rig, who } from '../fakes/policy.ts';

/** Tokens look as ours do. */
export const ADMIN = `dh_${'A'.repeat(43)}`;
export const SECOND = `dh_${'B'.repeat(43)}`;
export const VIEWER = `dh_${'V'.repeat(43)}`;
/** Of the one who asks, and an admin besides. */
export const ASKER = `dh_${'R'.repeat(43)}`;
export const asker = who('token:asker', ['admin']);
const TOKENS: Record<string, Principal> = {
  [ADMIN]: who('token:phone', ['admin']),
  [SECOND]: who('token:second', ['admin']),
  [VIEWER]: who('token:viewer', ['system:read']),
  [ASKER]: asker,
};

export const tokens = byToken((secret) => TOKENS[secret] ?? null);

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

export interface Sent {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

type Over = Partial<Omit<HttpOptions, 'http'>> & {
  http?: Partial<HttpOptions['http']>;
  secret?: string;
  listener?: Listener;
};

export async function house({ listener = 'tcp', secret = 'never-to-be-seen', ...over }: Over = {}) {
  const redactor = createRedactor({ values: [secret] });
  const db = memoryDb();
  let approvals: Policy['approvals'] | null = null;
  const made = rig({
    mode: 'ask',
    redactor,
    approvals: { decide: (...a) => (approvals as Policy['approvals']).decide(...a) },
  });
  const { clock, policy } = made;
  const store = openApprovals(db, { now: clock.now });
  const deciding = createDeciding({ store, audit: policy.audit, log: quiet });
  const base = 'http://127.0.0.1';
  const links = createLinks({ store: openApprovalLinks(db, clock.now), deciding, base, now: clock.now, log: quiet });
  const phone: Notice[] = [];
  const notices = createNotices({
    channels: [{ name: 'phone', about: ['approvals'] }],
    sending: { send: (_, notice) => void phone.push(notice) },
    links,
    hostname: 'box',
    redactor,
    newId: () => 'n',
    clock,
    log: quiet,
  });
  const audit = { append: policy.audit.append, digest: (text: string) => hash('sha256', text) };
  const rules = { mode: 'ask', rules: [], client: 'never', minutes: 10 } as const;
  approvals = createApprovals({ ...rules, store, audit, redactor, log: quiet, told: notices.asked });
  const face = createHttp({
    door: made.door,
    authenticate: tokens,
    info: { hostname: 'box', kind: 'lxc', version: '0' },
    live: () => true,
    ready: () => ({ ready: true, reasons: [] }),
    log: quiet,
    links,
    now: clock.now,
    ...over,
    http: {
      host: '127.0.0.1',
      port: 0,
      allowedHosts: [],
      allowedOrigins: [],
      maxBodyBytes: 4096,
      sessions: { enabled: false, max: 4, idleMinutes: 30 },
      connectionsPerAddress: 64,
      requestsPerMinutePerAddress: 10_000,
      ...over.http,
    },
  });
  // Another URL may stand in front; the tests come to the port itself.
  const { promise: bound, resolve: at } = Promise.withResolvers<string>();
  await face.beside(listener, async (server) => {
    await new Promise<void>((ok) => server.listen(0, '127.0.0.1', ok));
    at(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
  onTestFinished(() => face.close());
  const origin = await bound;

  /** As it is, with nothing that a client would add or forbid. */
  function send(path: string, { method = 'GET', headers = {}, body }: Sent = {}): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const out = request(`${origin}${path}`, { method, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (d) => {
        text += d;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    out.on('error', reject);
    out.end(body);
    return promise;
  }

  /** What a browser keeps of the page: cookie and form. */
  async function opened(path: string) {
    const page = await send(path);
    const cookie = String(page.headers['set-cookie']?.[0] ?? '').split(';')[0] as string;
    const csrf = /name="csrf" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
    return { page, cookie, csrf };
  }

  /** As a browser sends the form; what is given here replaces a part of it. */
  async function decide(
    path: string,
    fields: Record<string, string>,
    o: { headers?: Record<string, string>; from?: Awaited<ReturnType<typeof opened>> } = {},
  ): Promise<Answer> {
    const { cookie, csrf } = o.from ?? (await opened(path));
    return send(path, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        origin,
        'sec-fetch-site': 'same-origin',
        ...(cookie === '' ? {} : { cookie }),
        ...o.headers,
      },
      body: new URLSearchParams({ csrf, decision: 'approve', ...fields }).toString(),
    });
  }

  const ask = (args: object = { to: 'new' }, principal: Principal = operator, more: object = {}) =>
    made.door.run(callOf('fixture_rename', args, { principal, ...more }));
  /** Asks, and gives the path of the link that came to the phone. */
  async function asked(...a: Parameters<typeof ask>): Promise<{ id: string; path: string }> {
    const out = await ask(...a);
    if (out.status !== 'pending') throw new Error(`it is ${out.status}`);
    return { id: String(out.data.handle), path: new URL(phone.at(-1)?.link ?? '').pathname };
  }
  /** A question in whatever words, as no tool of the fixtures would let them in. */
  function put(over: Partial<ApprovalRequest>): string {
    approvals?.decide({
      principal: operator.id,
      scopes: ['system:write'],
      tool: 'fixture_rename',
      risk: 'change',
      targets: [],
      from: { id: 'c', face: 'mcp-http' },
      input: '{}',
      preview: { summary: 'Rename.', digest: 'd' },
      ...over,
    });
    return new URL(phone.at(-1)?.link ?? '').pathname;
  }
  return { ...made, put, deciding, links, phone, face, origin, send, opened, decide, ask, asked };
}
