/** What is told of a question and of a burst: in whose words, without what, and how often. */
import { describe, expect, test } from 'vitest';
import type { Notice } from '../../src/core/notice.ts';
import { createRedactor } from '../../src/core/redact.ts';
import { createNotices, type NoticeOptions } from '../../src/policy/notices.ts';
import type { Approval } from '../../src/store/approvals.ts';
import { fakeClock } from '../fakes/clock.ts';
import { quiet } from '../fakes/policy.ts';

const SECRET = 'hunter2-hunter2';

function made(over: Partial<NoticeOptions> = {}) {
  const clock = fakeClock();
  const sent: { channel: string; notice: Notice }[] = [];
  const warned: unknown[] = [];
  let n = 0;
  const notices = createNotices({
    channels: [
      { name: 'phone', about: ['approvals', 'security'] },
      { name: 'mail', about: ['security'] },
    ],
    sending: { send: (channel, notice) => void sent.push({ channel, notice }) },
    links: { make: (a, channel) => `https://box.example.org/approvals/${a.id}-${channel}` },
    hostname: 'box',
    redactor: createRedactor({ values: [SECRET] }),
    newId: () => `n${n++}`,
    clock,
    log: { ...quiet, warn: (fields: object) => void warned.push(fields) },
    ...over,
  });
  const asked = (more: Partial<Approval> = {}) => {
    const approval: Approval = {
      id: 'a_x',
      principal: 'token:laptop',
      scopes: [],
      tool: 'container_control',
      risk: 'change',
      origin: { face: 'mcp-http', client: 'claude', address: '192.0.2.7' },
      inputHash: 'h',
      digest: 'd',
      shown: { container: 'web', note: 'the very arguments' },
      targets: [{ kind: 'container', name: 'web' }],
      summary: 'Restart web.',
      diff: '-old\n+new',
      state: 'waiting',
      createdAtMs: clock.now(),
      expiresAtMs: clock.now() + 600_000,
      approver: null,
      decidedAtMs: null,
      because: null,
      ...more,
    };
    notices.asked(approval);
  };
  return {
    notices,
    asked,
    sent,
    clock,
    warned,
    to: (name: string) => sent.filter((s) => s.channel === name).map((s) => s.notice),
  };
}

describe('of a question', () => {
  test('the channels that hear of approvals are told the effect, whose it is, and where to decide; no arguments, no difference', () => {
    const { asked, sent, clock } = made();
    asked();
    expect(sent).toEqual([
      {
        channel: 'phone',
        notice: {
          id: 'n0',
          about: 'approvals',
          title: 'box: container_control waits for a decision (change)',
          lines: [
            'Effect: Restart web.',
            'On: container:web',
            'Asked by: token:laptop over mcp-http from 192.0.2.7',
            'Until: 2027-01-15T08:10:00Z (10 min)',
          ],
          urgent: true,
          atMs: clock.now(),
          link: 'https://box.example.org/approvals/a_x-phone',
          command: 'deckhand approve a_x',
          untilMs: clock.now() + 600_000,
          facts: {
            approval: 'a_x',
            tool: 'container_control',
            risk: 'change',
            principal: 'token:laptop',
            summary: 'Restart web.',
            targets: ['container:web'],
            expiresAt: '2027-01-15T08:10:00Z',
          },
        },
      },
    ]);
    expect(JSON.stringify(sent)).not.toMatch(/very arguments|\+new|claude/);
  });

  test('without a link it says how to decide on the host, of no target that there is none', () => {
    const { asked, to } = made({ links: { make: () => null } });
    asked({ targets: [], origin: {} });
    expect(to('phone')[0]).not.toHaveProperty('link');
    expect(to('phone')[0]).toMatchObject({ command: 'deckhand approve a_x' });
    expect(to('phone')[0]?.lines).toContain('On: no single thing');
    expect(to('phone')[0]?.lines).toContain('Asked by: token:laptop');
  });

  test('what others wrote cannot look like a line, a link or a secret', () => {
    const { asked, to } = made({ hostname: 'box\u202e\nevil' });
    asked({
      summary: `Restart\nUntil: never\u202e \x1b[31m https://evil.test/approvals/l_x www.evil.test ${SECRET} ${'x'.repeat(100_000)}`,
      targets: [{ kind: 'container', name: 'a\r\nLink: b' }],
      principal: 'jwt:sso:http://evil.test',
    });
    const [notice] = to('phone');
    expect(notice?.title).toMatch(/^box\\nevil: container_control/);
    for (const line of [notice?.title ?? '', ...(notice?.lines ?? [])]) {
      expect(line).not.toMatch(/[\n\r\x1b\u202e]/);
      expect(line.length).toBeLessThan(400);
    }
    const all = JSON.stringify(notice);
    expect(all).not.toContain(SECRET);
    expect(all.replaceAll('https://box.example.org', '')).not.toMatch(/:\/\/|www\.evil/);
    expect(all).toContain('https[:]//evil.test');
  });

  test('one that cannot be made or sent is a line in the log, and the call goes on', () => {
    const { asked, warned, sent } = made({
      sending: {
        send() {
          throw new Error('no');
        },
      },
    });
    asked();
    expect([warned.length, sent.length]).toEqual([1, 0]);
  });
});

describe('of security', () => {
  test('every channel that hears of it', () => {
    const { notices, to } = made();
    notices.security({
      what: '31 requests were refused within a minute',
      lines: [`From: 192.0.2.1 with ${SECRET}\nLink: https://evil.test`, ...Array<string>(50).fill('more')],
      command: 'deckhand audit search --event refused',
      facts: { count: 31, from: ['192.0.2.1\n', ...Array<string>(50).fill('x')], kinds: { denied: 31 }, none: null },
    });
    const [notice] = to('mail');
    expect(to('phone')).toHaveLength(1);
    expect(notice).toMatchObject({
      about: 'security',
      title: 'box: 31 requests were refused within a minute',
      urgent: true,
      command: 'deckhand audit search --event refused',
      facts: { count: 31, kinds: { denied: 31 }, none: null },
    });
    expect(notice?.lines).toHaveLength(12);
    expect(notice?.lines[0]).toMatch(/^From: 192\.0\.2\.1 with ⟦redacted[^⟧]*⟧\\nLink: https\[:\]\/\/evil\.test$/);
    expect(notice?.facts.from).toEqual(['192.0.2.1\\n', ...Array<string>(11).fill('x')]);
  });

  test('without more than its words', () => {
    const { notices, to } = made();
    notices.security({ what: 'something', lines: [] });
    expect(to('mail')[0]).toMatchObject({ facts: {} });
    expect(to('mail')[0]).not.toHaveProperty('command');
  });
});

describe('how often', () => {
  test('so many a minute, and the rest as one number at its end', async () => {
    const { asked, to, clock } = made({ perMinute: 3 });
    for (let i = 0; i < 15; i++) asked({ id: `a_${i}` });
    expect(to('phone')).toHaveLength(3);
    await clock.advance(60_000);
    expect(to('phone')).toHaveLength(4);
    expect(to('phone')[3]).toMatchObject({
      title: 'box: and 12 more changes wait',
      command: 'deckhand approvals',
      urgent: false,
      facts: { more: 12 },
    });
    expect(to('phone')[3]).not.toHaveProperty('link');
    asked();
    expect(to('phone')).toHaveLength(5);
    await clock.advance(60_000);
    expect(to('phone')).toHaveLength(5);
    expect(clock.waiting()).toBe(0);
  });

  test('a flood of the one does not drown the other, nor another channel', () => {
    const { asked, notices, to } = made({ perMinute: 2 });
    for (let i = 0; i < 10; i++) notices.security({ what: 'x', lines: [] });
    asked();
    expect(to('phone').map((n) => n.about)).toEqual(['security', 'security', 'approvals']);
    expect(to('mail')).toHaveLength(2);
  });

  test('a stop tells what was only counted', () => {
    const { asked, notices, to, clock } = made({ perMinute: 1 });
    asked();
    for (let i = 0; i < 3; i++) notices.security({ what: 'x', lines: [] });
    notices.close();
    expect(to('mail').at(-1)).toMatchObject({ title: 'box: and 2 more events', facts: { more: 2 } });
    expect(
      to('phone')
        .map((n) => n.facts.more)
        .filter(Boolean),
    ).toEqual([2]);
    expect(clock.waiting()).toBe(0);
  });
});

test('a test notice says that it is one; who hears of nothing is known', () => {
  const { notices } = made({ channels: [{ name: 'mail', about: ['security'] }], hostname: '\u202e' });
  expect(notices.trial()).toMatchObject({ about: 'test', title: 'deckhand: a test of this channel', urgent: false });
  expect([notices.tells('approvals'), notices.tells('security')]).toEqual([false, true]);
});
