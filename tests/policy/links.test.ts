/**
 * Links to decide by: what they show to whom, who may decide, that one serves once, and that whatever does not serve is one answer. With
 * the controls: what others build (a link that is an authentication, one that is not used up) lets the one who asked say yes.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Principal } from '../../src/core/call.ts';
import { createRedactor } from '../../src/core/redact.ts';
import { createApprovals } from '../../src/policy/approve.ts';
import { createDeciding } from '../../src/policy/deciding.ts';
import { createLinks, gone, isSelf } from '../../src/policy/links.ts';
import type { ApprovalRequest } from '../../src/policy/ports.ts';
import { linkHash, openApprovalLinks } from '../../src/store/approval_links.ts';
import { openApprovals } from '../../src/store/approvals.ts';
import { fakeClock } from '../fakes/clock.ts';
import { memoryDb } from '../fakes/memory_db.ts';
import { operator, quiet, who } from '../fakes/policy.ts';
import { stage } from '../fakes/tools.ts';

beforeEach(() => stage.reset());

const admin = who('token:phone', ['admin']);
const MIN = 60_000;

function desk(over: { base?: string | null; broken?: boolean } = {}) {
  const clock = fakeClock();
  const db = memoryDb();
  const records: { event: string; fields: Record<string, unknown> }[] = [];
  const warned: string[] = [];
  const audit = { append: (event: string, fields: Record<string, unknown>) => void records.push({ event, fields }) };
  const log = { ...quiet, warn: (_: object, message: string) => void warned.push(message) };
  const asked = openApprovals(db, { now: clock.now });
  const kept = openApprovalLinks(db, clock.now);
  const store = over.broken
    ? {
        ...kept,
        add: () => {
          throw new Error('full');
        },
      }
    : kept;
  const deciding = createDeciding({ store: asked, audit, log });
  const base = over.base === undefined ? 'https://box.example.org' : over.base;
  const links = createLinks({ store, deciding, base, now: clock.now, log });
  const question = (principal = operator.id, inputHash = 'h') =>
    asked.create({
      principal,
      tool: 'fixture_rename',
      inputHash,
      digest: 'd',
      scopes: ['system:write'],
      risk: 'change',
      origin: {},
      shown: { to: 'new' },
      targets: [],
      summary: 'Rename old to new.',
    }).approval;
  const link = (approval = question()) => {
    const url = links.make(approval, 'phone') ?? '';
    return { approval, url, handle: url.slice(url.lastIndexOf('/') + 1) };
  };
  const rows = () => db.read((sql) => sql.all('SELECT * FROM approval_links'));
  return { clock, db, links, deciding, asked, question, link, rows, records, warned };
}
const code = (work: () => unknown) => {
  try {
    work();
  } catch (thrown) {
    return (thrown as { code: string }).code;
  }
  return 'done';
};

describe('a link', () => {
  test('is a URL of the owner’s with 130 random bits, of which only a hash is kept', () => {
    const d = desk();
    const { url, handle, approval } = d.link();
    expect(url).toMatch(/^https:\/\/box\.example\.org\/approvals\/l_[a-z2-7]{26}$/);
    expect(d.rows()).toEqual([
      { hash: linkHash(handle), approval: approval.id, channel: 'phone', expires: approval.expiresAtMs },
    ]);
    expect(JSON.stringify(d.rows())).not.toContain(handle.slice(2));
    expect(d.link(approval).handle).not.toBe(handle);
  });

  test('is none where nobody knows how people get here, or it cannot be kept: the notice goes out all the same', () => {
    expect(desk({ base: null }).link().url).toBe('');
    const broken = desk({ broken: true });
    expect(broken.link().url).toBe('');
    expect(broken.warned).toEqual([expect.stringContaining('no link could be made')]);
  });

  test('shows, as often as it is looked at, and decides nothing by that', () => {
    const d = desk();
    const { handle, approval } = d.link();
    for (let i = 0; i < 3; i++) expect(d.links.find(handle)).toMatchObject({ id: approval.id, state: 'waiting' });
    expect(d.deciding.get(approval.id)?.state).toBe('waiting');
    // The control: a link that decided when it is followed would have been decided by whoever previews it.
    const naive = (handle: string) => d.links.decide(handle, admin, { granted: true });
    expect(naive(handle).state).toBe('granted');
  });

  test.each<[string, (d: ReturnType<typeof desk>, handle: string, id: string) => string | Promise<string>]>([
    ['one that never was', () => `l_${'a'.repeat(26)}`],
    ['what is no link', () => "l_' OR 1=1 --"],
    ['an approval’s own handle', (_d, _h, id) => id],
    ['a used one', (d, h) => d.links.decide(h, admin, { granted: true }) && h],
    [
      'one whose question was answered on the host',
      (d, h, id) => d.deciding.decide(id, { approver: 'cli:0', granted: false }) && h,
    ],
    ['one that ran out', (d, h) => d.clock.advance(10 * MIN).then(() => h)],
  ])('%s gets the one answer', async (_, spoil) => {
    const d = desk();
    const { handle, approval } = d.link();
    const spoilt = await spoil(d, handle, approval.id);
    const before = d.deciding.get(approval.id)?.state;
    expect(d.links.find(spoilt)).toBeNull();
    for (const who of [admin, operator])
      expect(() => d.links.decide(spoilt, who, { granted: true })).toThrow(gone().message);
    expect(d.deciding.get(approval.id)?.state).toBe(before);
  });
});

describe('a decision by link', () => {
  test('is by the principal, with its reason, on record with the link’s channel and what was shown', () => {
    const d = desk();
    const { handle, approval } = d.link();
    const by = { ...admin, credential: { fingerprint: 'f00' } };
    const decided = d.links.decide(handle, by, { granted: true, because: 'fine\n\u202eby me' });
    expect(decided).toMatchObject({ state: 'granted', approver: 'token:phone', because: 'fine\\n\\u{202e}by me' });
    expect(d.records).toEqual([
      {
        event: 'approval',
        fields: expect.objectContaining({
          id: approval.id,
          state: 'granted',
          approver: 'token:phone',
          via: 'link',
          channel: 'phone',
          credential: { fingerprint: 'f00' },
        }),
      },
    ]);
    expect(JSON.stringify(d.records)).not.toContain(handle);
  });

  test('takes all links of its question with it, in every channel', () => {
    const d = desk();
    const first = d.link();
    d.links.make(first.approval, 'mail');
    const other = d.link(d.question(operator.id, 'another'));
    d.links.decide(first.handle, admin, { granted: false });
    expect(d.rows()).toMatchObject([{ approval: other.approval.id }]);
    expect(d.deciding.get(first.approval.id)?.state).toBe('refused');
  });

  test('on the host takes them, too', () => {
    const d = desk();
    const { approval } = d.link();
    d.deciding.decide(approval.id, { approver: 'cli:0', granted: true });
    expect(d.rows()).toEqual([]);
  });

  test('counts once, whoever else is at it', () => {
    const d = desk();
    const { approval, handle } = d.link();
    const second = d.links.make(approval, 'mail')?.split('/').pop() ?? '';
    expect(code(() => d.links.decide(handle, admin, { granted: true }))).toBe('done');
    expect(code(() => d.links.decide(second, who('token:other', ['admin']), { granted: false }))).toBe('not_found');
    expect(code(() => d.links.decide(handle, admin, { granted: false }))).toBe('not_found');
    expect(d.deciding.get(approval.id)).toMatchObject({ state: 'granted', approver: 'token:phone' });
  });

  test('of two processes that both found it waiting, one gets it', () => {
    const d = desk();
    const { approval, handle } = d.link();
    const by = (name: string) => ({ approver: name, granted: true, link: { handle, channel: 'phone' } });
    // Both have looked before either decides: here only the transaction stands between them.
    expect(d.deciding.decide(approval.id, by('token:one')).approver).toBe('token:one');
    expect(code(() => d.deciding.decide(approval.id, by('token:two')))).toBe('conflict');
    // And a link of another question decides nothing.
    const other = d.question(operator.id, 'another');
    expect(code(() => d.deciding.decide(other.id, by('token:two')))).toBe('conflict');
    expect(d.deciding.get(other.id)?.state).toBe('waiting');
  });

  const lent = (over: Partial<Principal>) => ({ ...admin, ...over });
  test.each<[string, Principal, RegExp]>([
    ['without admin', who('token:op', ['system:write', 'audit:read']), /takes the role admin/],
    ['who was revoked meanwhile', lent({ valid: () => false }), /expired or was revoked/],
    ['whose credential ran out', lent({ expiresAtMs: 1 }), /expired or was revoked/],
    ['who asked, admin or not', lent({ id: operator.id }), /their own change/],
    ['who asked, as another spelling', lent({ id: operator.id.toUpperCase() }), /their own change/],
  ])('is not for one %s, and the link goes on to serve', (_, by, why) => {
    const d = desk();
    const { handle, approval } = d.link();
    expect(() => d.links.decide(handle, by, { granted: true })).toThrow(why);
    expect(d.links.refused(approval, by)?.message).toMatch(why);
    expect(d.deciding.get(approval.id)?.state).toBe('waiting');
    expect(d.links.refused(approval, admin)).toBeNull();
    expect(d.links.decide(handle, admin, { granted: false }).state).toBe('refused');
  });
});

test.each<[string, string[], string, boolean]>([
  ['token:a', [], 'token:a', true],
  ['token:a', [], 'token:b', false],
  ['tailnet:Alice@example.org', [], 'tailnet:alice@example.org', true],
  ['tailnet:alice@example.org', [], 'jwt:sso:Alice@example.org', true],
  ['jwt:sso:alice@example.org', [], 'jwt:other:alice@example.org', true],
  ['jwt:sso:17', [], 'jwt:other:17', false],
  ['tailnet:bob@example.org', [], 'jwt:sso:alice@example.org', false],
  ['tailnet:alice@example.org', [], 'token:alice@example.org', false],
  ['tailnet:tag:a,tag:b', ['tailnet:tag:a', 'tailnet:tag:b'], 'tailnet:tag:b,tag:c', true],
  ['tailnet:tag:a', ['tailnet:tag:a'], 'tailnet:tag:c', false],
  ['tailnet:carol@example.org', ['tailnet:tag:a'], 'tailnet:tag:a', true],
])('%s %j and %s are the same: %s', (id, aliases, asked, same) => {
  expect(isSelf({ id, aliases }, asked)).toBe(same);
  expect(isSelf({ id }, 'nobody')).toBe(false);
});

test('a new question is told once, and the caller hears that it was; what stands already is not told again', () => {
  const d = desk();
  const told: string[] = [];
  const audit = { append() {}, digest: (text: string) => text };
  const rules = { mode: 'ask', rules: [], client: 'never', minutes: 10 } as const;
  const parts = { ...rules, store: d.asked, audit, redactor: createRedactor({}), log: quiet };
  const request: ApprovalRequest = {
    principal: operator.id,
    scopes: ['system:write'],
    tool: 'fixture_rename',
    risk: 'change',
    targets: [],
    from: { id: 'c', face: 'mcp-stdio' },
    input: '{}',
    preview: { summary: 'Rename.', digest: 'd' },
  };
  const telling = createApprovals({ ...parts, told: (a) => void told.push(a.id) });
  const first = telling.decide(request);
  expect(first).toMatchObject({ verdict: 'pending', next: expect.stringContaining('was told and decides') });
  expect(telling.decide(request)).toMatchObject({ verdict: 'pending' });
  expect(told).toEqual([first.verdict === 'pending' ? first.handle : '']);
  const silent = createApprovals(parts).decide(request);
  expect(silent.verdict === 'pending' && silent.next).not.toContain('was told');
});
