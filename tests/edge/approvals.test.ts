/**
 * The page behind a link, over real HTTP: it shows to whoever has the link, and decides only by a POST of somebody with `admin` who is not
 * the one that asked, from a page that this browser was given. Beside each attack stands what it does to a server that is built the naive way.
 */
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Principal } from '../../src/core/call.ts';
import { CSP } from '../../src/edge/approvals_page.ts';
import type { Authenticate } from '../../src/policy/credentials.ts';
import { who } from '../fakes/policy.ts';
import { stage } from '../fakes/tools.ts';
import { ADMIN, ASKER, asker, house, SECOND, tokens, VIEWER } from './approvals_house.ts';

beforeEach(() => stage.reset());

const life = (h: Awaited<ReturnType<typeof house>>) =>
  h.records.filter((r) => r.event === 'approval').map((r) => r.fields.state);
const refused = (h: Awaited<ReturnType<typeof house>>) => h.records.filter((r) => r.event === 'refused');

describe('from the question to the change', () => {
  test('asked, told, looked at, approved: the same call runs, once', async () => {
    const h = await house();
    const { id, path } = await h.asked();
    expect(h.phone).toHaveLength(1);
    expect(path).toMatch(/^\/approvals\/l_[a-z2-7]{26}$/);
    const page = await h.send(path);
    expect(page.status).toBe(200);
    for (const text of [
      'Rename old to new.',
      'fixture_rename',
      'path:/word',
      'token:operator',
      'to: &quot;new&quot;',
      '-old\n+new',
    ])
      expect(page.text).toContain(text);
    expect((await h.ask()).status).toBe('pending');
    const done = await h.decide(path, { token: ADMIN, because: 'go on' });
    expect([done.status, done.text]).toEqual([200, expect.stringContaining('<h1 role="status">Approved</h1>')]);
    expect((await h.ask()).status).toBe('done');
    expect(stage.state).toBe('new');
    expect(h.records.find((r) => r.fields.state === 'granted')).toMatchObject({
      durable: true,
      fields: { id, approver: 'token:phone', via: 'link', channel: 'phone', because: 'go on' },
    });
    expect(life(h)).toEqual(['asked', 'granted', 'used']);
    stage.state = 'old';
    expect((await h.ask()).status).toBe('pending');
  });

  test('denied: the same call is refused, with the words that were given', async () => {
    const h = await house();
    const { path } = await h.asked();
    expect((await h.decide(path, { token: ADMIN, decision: 'deny', because: 'not\ntoday' })).text).toContain('Refused');
    const out = await h.ask();
    expect(out).toMatchObject({ status: 'failed', error: { code: 'permission' } });
    expect(out.status === 'failed' && out.error.message).toMatch(/^token:phone said no at .*: not\\ntoday/);
  });

  test('a call is pending as fast as without a phone, and says that the owner was told', async () => {
    const h = await house();
    const out = await h.ask();
    expect(out.status === 'pending' && out.data.next).toContain('was told and decides');
    expect(JSON.stringify(out)).not.toContain('l_');
  });
});

describe('looking', () => {
  const PREVIEWER = { 'user-agent': 'facebookexternalhit/1.1', purpose: 'prefetch', 'sec-purpose': 'prefetch' };

  test.each(['GET', 'HEAD'])('%s never decides, whoever sends it and whatever it says', async (method) => {
    const h = await house();
    const { id, path } = await h.asked();
    const wild = [
      { headers: PREVIEWER },
      { headers: { authorization: `Bearer ${ADMIN}` } },
      { headers: { authorization: `Bearer ${ADMIN}`, 'x-http-method-override': 'POST' } },
    ];
    for (const how of wild)
      for (const query of ['', '?decision=approve', `?decision=approve&token=${ADMIN}`, '?_method=POST'])
        expect((await h.send(`${path}${query}`, { method, ...how })).status).toBe(200);
    expect(h.deciding.get(id)?.state).toBe('waiting');
    expect(life(h)).toEqual(['asked']);

    // The control: a link that decides when it is followed has been decided by the first that looks at it.
    const naive = createServer((_, response) => {
      h.links.decide(path.split('/').pop() ?? '', who('token:nobody', ['admin']), { granted: true });
      response.end();
    }).listen(0, '127.0.0.1');
    await new Promise((ok) => naive.once('listening', ok));
    onTestFinished(() => void naive.close());
    const { port } = naive.address() as AddressInfo;
    await new Promise((ok) => request({ port, method, headers: PREVIEWER, agent: false }, ok).end());
    expect(h.deciding.get(id)?.state).toBe('granted');
  });

  test('HEAD says what GET would, without the page', async () => {
    const h = await house();
    const { path } = await h.asked();
    const [get, head] = [await h.send(path), await h.send(path, { method: 'HEAD' })];
    expect([head.status, head.text, head.headers['content-type']]).toEqual([200, '', 'text/html; charset=utf-8']);
    expect(head.headers['content-length']).toBe(String(Buffer.byteLength(get.text)));
  });

  test('nothing of it may be kept, framed, run or sent elsewhere', async () => {
    const h = await house();
    const { path } = await h.asked();
    const { headers, text } = await h.send(path);
    expect(headers).toMatchObject({
      'content-security-policy': CSP,
      'cache-control': 'no-store',
      'referrer-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
      'cross-origin-opener-policy': 'same-origin',
    });
    expect(CSP).toMatch(
      /^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]{44}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/,
    );
    expect(text).not.toMatch(/<script|javascript:|\son\w+=|\sstyle=|<img|<link|<iframe|https?:\/\//i);
    expect(headers['set-cookie']?.[0]).toMatch(
      /^deckhand-approvals=[\w-]{22}; Path=\/; Max-Age=600; HttpOnly; SameSite=Strict$/,
    );
    expect(text).toMatch(/<input id="token" name="token" type="password" autocomplete="off"/);
  });

  test('over TLS as the owner’s URL says, the cookie is for this name alone', async () => {
    const h = await house({ http: { url: 'https://box.example.org' } });
    const { path } = await h.asked();
    const { headers } = await h.send(path, { headers: { host: 'box.example.org' } });
    expect(headers['set-cookie']?.[0]).toMatch(/^__Host-deckhand-approvals=.*; Secure$/);
  });

  test('other methods are not served, and other hosts’ names neither', async () => {
    const h = await house();
    const { path } = await h.asked();
    const put = await h.send(path, { method: 'PUT', body: 'x' });
    expect([put.status, put.headers.allow]).toEqual([405, 'GET, HEAD, POST']);
    expect((await h.send(path, { headers: { host: 'evil.test' } })).status).toBe(403);
    expect((await h.send(path, { headers: { origin: 'https://evil.test' } })).status).toBe(403);
    expect((await h.send('/approvals/')).status).toBe(404);
    expect((await h.send('/approvals')).status).toBe(404);
  });

  test('where no link is ever sent, none is served', async () => {
    const h = await house({ links: null });
    const { path } = await h.asked();
    expect((await h.send(path)).headers['content-type']).toContain('json');
  });
});

describe('links that do not serve', () => {
  test('all look alike, to who looks and to who decides, and say nothing of what there was', async () => {
    const h = await house();
    const used = await h.asked({ to: 'used' });
    await h.decide(used.path, { token: ADMIN });
    const answered = await h.asked({ to: 'answered' });
    h.deciding.decide(answered.id, { approver: 'cli:0', granted: true });
    const late = await h.asked({ to: 'late' });
    const page = await h.opened(late.path);
    await h.clock.advance(10 * 60_000);
    const paths = [used.path, answered.path, late.path, `/approvals/l_${'a'.repeat(26)}`, '/approvals/x'];
    const seen = new Set<string>();
    for (const path of paths) {
      const looked = await h.send(path);
      const tried = await h.decide(path, { token: ADMIN }, { from: page });
      const stranger = await h.decide(path, {}, { from: page });
      for (const answer of [looked, tried, stranger]) {
        expect(answer.status, path).toBe(404);
        expect(answer.headers['set-cookie']).toBeUndefined();
        seen.add(answer.text);
      }
    }
    expect(seen.size).toBe(1);
    expect([...seen][0]).toContain('Nothing waits under this link.');
    expect([h.deciding.get(answered.id)?.state, h.deciding.get(late.id)?.state]).toEqual(['expired', 'expired']);
  });

  test('a link serves once, also when it is sent twice at once by two who may', async () => {
    const h = await house();
    const { id, path } = await h.asked();
    const pages = await Promise.all([h.opened(path), h.opened(path)]);
    const answers = await Promise.all([
      h.decide(path, { token: ADMIN }, { from: pages[0] }),
      h.decide(path, { token: SECOND, decision: 'deny' }, { from: pages[1] }),
    ]);
    expect(answers.map((a) => a.status).sort()).toEqual([200, 404]);
    const state = h.deciding.get(id)?.state;
    expect(life(h)).toEqual(['asked', state]);
    expect((await h.ask()).status).toBe(state === 'granted' ? 'done' : 'failed');
  });
});

describe('who may decide', () => {
  test.each<[string, Record<string, string>, number, RegExp]>([
    ['nobody', {}, 401, /takes the token of an admin/],
    ['a wrong token', { token: `dh_${'x'.repeat(43)}` }, 401, /unknown, expired or revoked/],
    ['what is no token', { token: 'my other password' }, 401, /unknown, expired or revoked/],
    ['one without admin', { token: VIEWER }, 403, /token:viewer may not decide/],
  ])('%s does not, is told so on the page, and on record', async (_, fields, status, why) => {
    const h = await house();
    const { id, path } = await h.asked();
    const answer = await h.decide(path, { because: 'my reason', ...fields });
    expect(answer.status).toBe(status);
    expect(answer.text).toMatch(/<p class="said" role="alert">[^<]+<\/p>/);
    expect(answer.text).toMatch(why);
    expect(answer.text).toContain('value="my reason"');
    if (status === 401) expect(answer.headers['www-authenticate']).toMatch(/^Bearer /);
    expect(h.deciding.get(id)?.state).toBe('waiting');
    expect(refused(h).map((r) => r.fields.what)).toEqual(['POST /approvals']);
    // What was typed is nowhere: neither on the page nor in what is kept.
    const token = fields.token ?? 'none';
    expect(answer.text + JSON.stringify(h.records)).not.toContain(token === 'none' ? 'l_zzz' : token);
    expect(JSON.stringify(h.records)).not.toContain(path.slice(-26));
    // The link goes on to serve.
    expect((await h.decide(path, { token: ADMIN })).status).toBe(200);
  });

  test('the one who asked does not, admin or not: a lone token asks and cannot answer itself', async () => {
    const h = await house();
    const { id, path } = await h.asked({ to: 'new' }, asker);
    for (const how of [
      () => h.decide(path, { token: ASKER }),
      () => h.decide(path, {}, { headers: { authorization: `Bearer ${ASKER}` } }),
    ]) {
      const answer = await how();
      expect([answer.status, answer.text]).toEqual([403, expect.stringContaining('Nobody approves their own change.')]);
    }
    expect(h.deciding.get(id)?.state).toBe('waiting');
    // The control: who asks only for `admin` lets it through.
    const naive = (p: typeof asker) => p.scopes.has('admin');
    expect(naive(asker)).toBe(true);
    expect((await h.decide(path, { token: ADMIN })).status).toBe(200);
  });

  test('a program may, with its token in the header and without a cookie', async () => {
    const h = await house();
    const { id, path } = await h.asked();
    const from = { page: {} as never, cookie: '', csrf: '' };
    const headers = { authorization: `Bearer ${ADMIN}`, 'sec-fetch-site': 'none' };
    expect((await h.decide(path, {}, { from, headers })).status).toBe(200);
    expect(h.deciding.get(id)).toMatchObject({ state: 'granted', approver: 'token:phone' });
  });

  test('failed tries cost time, as everywhere, also those in the form', async () => {
    const h = await house();
    const { id, path } = await h.asked();
    const from = await h.opened(path);
    const statuses: number[] = [];
    for (let i = 0; i < 12; i++) {
      const token = `dh_${String(i).padStart(43, 'x')}`;
      statuses.push((await h.decide(path, { token }, { from })).status);
    }
    expect(statuses.slice(0, 10)).toEqual(Array(10).fill(401));
    expect(statuses.at(-1)).toBe(429);
    // Not even a good one is looked at while it lasts.
    expect((await h.decide(path, { token: ADMIN }, { from })).status).toBe(429);
    expect(h.deciding.get(id)?.state).toBe('waiting');
    await h.clock.advance(5_000);
    expect((await h.decide(path, { token: ADMIN }, { from })).status).toBe(200);
  });

  test('the page counts in the rate of its address', async () => {
    const h = await house({ http: { requestsPerMinutePerAddress: 3 } });
    const { path } = await h.asked();
    const statuses = [];
    for (let i = 0; i < 5; i++) statuses.push((await h.send(path)).status);
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
  });
});

describe('over the listener of the tailnet', () => {
  const URL_OF = 'https://box.example.ts.net';
  const people: Record<string, Principal> = {
    alice: { ...who('tailnet:alice@example.org', ['admin']), kind: 'tailnet' },
    bob: { ...who('tailnet:bob@example.org', ['system:read']), kind: 'tailnet' },
  };
  /** As tailscaled would say it; there a token counts, too. */
  const authenticate: Authenticate = async (shown) => {
    const person = people[shown.header('tailscale-user-login') ?? ''];
    return shown.bearer === undefined && person && shown.listener === 'tailnet' ? { principal: person } : tokens(shown);
  };
  const as = (login: string) => ({
    host: 'localhost',
    'x-forwarded-for': '100.64.0.7',
    'x-forwarded-proto': 'https',
    'tailscale-user-login': login,
  });
  const at = async (listener: 'tcp' | 'tailnet') => {
    const h = await house({ listener, authenticate, http: { url: URL_OF } });
    const { id, path } = await h.asked();
    const opened = async (login: string) => {
      const page = await h.send(path, { headers: as(login) });
      const cookie = String(page.headers['set-cookie']?.[0]).split(';')[0] as string;
      return { page, cookie, csrf: /name="csrf" value="([^"]+)"/.exec(page.text)?.[1] ?? '' };
    };
    const press = (login: string, from: Awaited<ReturnType<typeof opened>>, more: Record<string, string> = {}) =>
      h.decide(path, {}, { from, headers: { ...as(login), origin: URL_OF, ...more } });
    return { h, id, path, opened, press };
  };

  test('an admin decides without a token, by name; one of the others is asked for one', async () => {
    const { h, id, opened, press } = await at('tailnet');
    const bob = await opened('bob');
    expect(bob.page.text).toContain('name="token"');
    expect((await press('bob', bob)).status).toBe(403);
    const alice = await opened('alice');
    expect(alice.page.text).toContain('You decide as <span class="theirs">tailnet:alice@example.org</span>.');
    expect(alice.page.text).not.toContain('name="token"');
    expect(alice.cookie).toMatch(/^__Host-/);
    expect((await press('alice', alice)).status).toBe(200);
    expect(h.deciding.get(id)).toMatchObject({ state: 'granted', approver: 'tailnet:alice@example.org' });
  });

  test('who is known by the way there alone is not tricked by a page of another site, nor of the same machine', async () => {
    const { h, id, opened, press } = await at('tailnet');
    const alice = await opened('alice');
    for (const [more, from] of [
      [{ origin: 'https://evil.test', 'sec-fetch-site': 'cross-site' }, alice],
      [{ origin: 'http://localhost', 'sec-fetch-site': 'same-site' }, alice],
      [{ 'sec-fetch-site': 'cross-site' }, alice],
      [{}, { ...alice, cookie: '' }],
    ] as const)
      expect((await press('alice', from, more)).status).toBe(403);
    expect(h.deciding.get(id)?.state).toBe('waiting');
  });

  test('the same headers on the TCP listener are nobody', async () => {
    const { h, id, opened, press } = await at('tcp');
    const forged = await opened('alice');
    expect(forged.page.text).toContain('name="token"');
    expect((await press('alice', forged)).status).toBe(401);
    expect(h.deciding.get(id)?.state).toBe('waiting');
  });

  test('a token typed there counts before the name', async () => {
    const { h, id, path, opened } = await at('tailnet');
    const from = await opened('bob');
    const headers = { ...as('bob'), origin: URL_OF };
    expect((await h.decide(path, { token: VIEWER }, { from, headers })).status).toBe(403);
    expect((await h.decide(path, { token: ADMIN }, { from, headers })).status).toBe(200);
    expect(h.deciding.get(id)?.approver).toBe('token:phone');
  });
});

describe('a page of somebody else', () => {
  test.each<[string, Record<string, string>, number]>([
    ['another origin', { origin: 'https://evil.test', 'sec-fetch-site': 'cross-site' }, 403],
    ['an origin that hides', { origin: 'null', 'sec-fetch-site': 'cross-site' }, 403],
    ['another site, without an origin', { origin: '', 'sec-fetch-site': 'cross-site' }, 403],
    ['a name beside ours', { 'sec-fetch-site': 'same-site' }, 403],
  ])('%s sends the form, with everything right in it: nothing is decided', async (_, headers, status) => {
    const h = await house();
    const { id, path } = await h.asked();
    const answer = await h.decide(path, { token: ADMIN }, { headers });
    expect(answer.status).toBe(status);
    expect(h.deciding.get(id)?.state).toBe('waiting');
  });

  test('that knows the link, and even fetched the form itself, has not the cookie of this browser', async () => {
    const h = await house();
    const { id, path } = await h.asked();
    const [mine, theirs] = [await h.opened(path), await h.opened(path)];
    const tries = [
      { ...theirs, cookie: '' },
      { ...theirs, cookie: mine.cookie },
      { ...mine, csrf: '' },
      { ...mine, csrf: `${mine.csrf.slice(0, -1)}${mine.csrf.endsWith('A') ? 'B' : 'A'}` },
      // Two of one name: somebody else has set one of them.
      { ...mine, cookie: `${theirs.cookie}; ${mine.cookie}` },
    ];
    for (const from of tries) {
      const answer = await h.decide(path, { token: ADMIN }, { from });
      expect([answer.status, answer.text]).toEqual([403, expect.stringContaining('not made for this browser')]);
    }
    // Of another link, in this very browser.
    const other = await h.asked({ to: 'other' });
    expect((await h.decide(other.path, { token: ADMIN }, { from: mine })).status).toBe(403);
    expect([h.deciding.get(id)?.state, h.deciding.get(other.id)?.state]).toEqual(['waiting', 'waiting']);
    expect((await h.decide(path, { token: ADMIN }, { from: mine })).status).toBe(200);
  });

  test('an origin that the owner lets read answers does not decide either', async () => {
    const h = await house({ http: { allowedOrigins: ['https://app.example.org'] } });
    const { id, path } = await h.asked();
    const headers = { origin: 'https://app.example.org', 'sec-fetch-site': 'cross-site' };
    expect((await h.decide(path, { token: ADMIN }, { headers })).status).toBe(403);
    expect(h.deciding.get(id)?.state).toBe('waiting');
  });
});

describe('forms that are none', () => {
  const post = (body: string, type = 'application/x-www-form-urlencoded') => ({
    method: 'POST',
    headers: { 'content-type': type, authorization: `Bearer ${ADMIN}` },
    body,
  });
  test.each<[string, string, string | undefined, number]>([
    ['JSON', '{"decision":"approve"}', 'application/json', 400],
    ['text, as a form of another page could send it', 'decision=approve', 'text/plain', 400],
    ['no decision', 'because=x', undefined, 400],
    ['another decision', 'decision=yes', undefined, 400],
    ['two decisions', 'decision=deny&decision=approve', undefined, 400],
    ['a field that is not of the form', 'decision=approve&approver=cli%3A0', undefined, 400],
    ['too much', `decision=approve&because=${'x'.repeat(20_000)}`, undefined, 413],
  ])('%s', async (_, body, type, status) => {
    const h = await house();
    const { id, path } = await h.asked();
    expect((await h.send(path, post(body, type))).status).toBe(status);
    expect(h.deciding.get(id)?.state).toBe('waiting');
    // The control: the same request with a form is one.
    expect((await h.send(path, post('decision=approve'))).status).toBe(200);
  });

  test('what fails inside says nothing of it', async () => {
    const h = await house();
    const { path } = await h.asked();
    const links = {
      ...h.links,
      find: () => {
        throw new Error('secret cause');
      },
    };
    const broken = await house({ links });
    const answer = await broken.send(path);
    expect([answer.status, answer.text.includes('secret')]).toEqual([500, false]);
  });
});

describe('hostile text', () => {
  const EVIL = [
    '</pre></dl><script>fetch("//evil")</script><form action=//evil><button>Approve once</button>',
    '"><img src=x onerror=alert(1)>',
    'a\u202egnp.exe\u2066\u200b\ufeff',
    '\x1b]8;;https://evil.test\x07press\x1b]8;;\x07\x1b[2J',
    '&lt;b&gt; &amp; &#x3c;script&#x3e;',
    '{{7*7}} ${7*7} <%= 7 %>',
    '\ud800\udc00 \ud800 end',
  ];

  test('in every place where others may write is shown as text, and as what it is', async () => {
    const h = await house();
    const evil = EVIL.join(' | ');
    const path = h.put({
      principal: `jwt:sso:${EVIL[0]}`,
      targets: [{ kind: 'container', name: evil }],
      from: { id: 'c', face: 'mcp-http', client: evil, address: EVIL[0] as string },
      input: JSON.stringify({ [evil]: evil }),
      preview: { summary: evil, diff: `-${evil}\n+${evil}`, digest: 'd' },
    });
    const { text } = await h.send(path);
    const ours = text.replace(/<style>[\s\S]*?<\/style>/, '');
    expect(ours).not.toMatch(/<script|<img|<a[\s>]|onerror=a(?!lert)|<form action/i);
    expect(ours.match(/<form /g)).toHaveLength(1);
    expect(ours.match(/<button /g)).toHaveLength(3);
    expect(ours).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b-\u200f\ufeff]/);
    expect(ours).toContain('a\\u{202e}gnp.exe\\u{2066}\\u{200b}\\u{feff}');
    expect(ours).toContain('&lt;/pre&gt;&lt;/dl&gt;&lt;script&gt;');
    expect(ours).toContain('&amp;lt;b&amp;gt;');
    expect(ours.isWellFormed()).toBe(true);
    // The control: a template that puts text in as it is would have run it.
    expect(`<dd>${EVIL[0]}</dd>`).toMatch(/<script/);
  });

  test('of a megabyte makes a page that a phone still opens, and says what is left out', async () => {
    const h = await house({ secret: 'hunter2-hunter2' });
    const long = `hunter2-hunter2${'<'.repeat(1024 * 1024)}`;
    const path = h.put({
      targets: Array.from({ length: 10 }, () => ({ kind: 'path', name: long })),
      input: JSON.stringify({ long }),
      preview: { summary: long, diff: long, digest: 'd' },
    });
    const { text } = await h.send(path);
    expect(text.length).toBeLessThan(500_000);
    expect(text).toContain('characters left out');
    expect(text).not.toContain('hunter2');
    expect(h.phone[0] && JSON.stringify(h.phone[0]).length).toBeLessThan(8_000);
  });

  test('as a reason is kept and shown as text', async () => {
    const h = await house();
    const { id, path } = await h.asked();
    const answer = await h.decide(path, { because: `"><script>x</script>${'y'.repeat(500)}` });
    expect(answer.text).toContain('value="&quot;&gt;&lt;script&gt;');
    await h.decide(path, { token: ADMIN, because: `\u202e${'y'.repeat(500)}` });
    expect(h.deciding.get(id)?.because).toMatch(/^\\u\{202e\}y{1,200}/);
    expect(h.deciding.get(id)?.because?.length).toBeLessThanOrEqual(200);
  });
});

test('what destroys is said in words', async () => {
  const h = await house();
  expect((await h.send((await h.asked({ to: 'new' })).path)).text).not.toContain('destroys');
  expect((await h.send((await h.asked({ to: 'nothing' })).path)).text).toContain('destroys');
});
