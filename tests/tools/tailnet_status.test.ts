/** tailnet_status over a tailnet in memory: what is said, what is a finding, and that nothing unknown looks like nothing. */
import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, test } from 'vitest';
import { OpsError } from '../../src/core/errors.ts';
import type { Answered, Served } from '../../src/core/tailnet.ts';
import { type TailnetStatusAnswer, tailnetStatus } from '../../src/tools/tailnet_status.ts';
import { FAKE_WALL_MS } from '../fakes/host.ts';
import { fakePeer, fakeServed, fakeTailnet } from '../fakes/tailnet.ts';
import { ask, context } from './context.ts';

type Over = NonNullable<Parameters<typeof fakeTailnet>[0]>;
function status(over: Over = {}, args: unknown = {}) {
  const ctx = context();
  ctx.host.tailnet = fakeTailnet(over);
  return ask<TailnetStatusAnswer>(tailnetStatus, args, ctx);
}
const found = async (over: Over) => (await status(over)).data.findings.map((f) => `${f.severity} ${f.id}`);
const DAY = 86_400_000;
const served = fakeServed.served[0] as Served;
const files: Answered = {
  at: 'ops.tail-fake.ts.net:8443',
  kind: 'files',
  path: '/',
  service: null,
  funnel: true,
  tls: true,
};

describe('tailnet_status', () => {
  test('who this machine is, what it offers, and who else is there', async () => {
    const { data, text } = await status();
    expect(data).toMatchObject({
      state: 'Running',
      self: { name: 'ops.tail-fake.ts.net', version: '1.102.4', networking: 'tun', keyExpiresAt: null },
      tailnet: { name: 'example.com', magicDns: true, https: true },
      served: [{ at: 'https://ops.tail-fake.ts.net:443/', here: 'socket', funnel: false }],
      findings: [],
      unknown: [],
      total: 4,
      online: 2,
      matched: 4,
    });
    const lines = text.split('\n');
    expect(lines[0]).toMatch(/^Tailnet: no findings; 4 other machines, 2 online; /);
    expect(lines[1]).toContain('Tailscale 1.102.4; tun; key never expires; MagicDNS on; HTTPS on');
    expect(lines[2]).toBe('this is ops.tail-fake.ts.net, tag:deckhand, in example.com');
    expect(lines[3]).toBe(
      'serves https://ops.tail-fake.ts.net:443/ -> unix:/run/deckhand/mcp.sock (this server’s socket)',
    );
    expect(lines.slice(4).map((l) => l.replace(/\s{2,}/g, '|').trim())).toEqual([
      'machine|who|os|address|seen|path|in|out|note',
      'alice-laptop|alice@example.com|macOS|100.64.0.20|online|direct|77.5 MiB|4.1 MiB|-',
      'home-router|alice@example.com|linux|100.64.0.20|online|relay fra|11.7 KiB|8.8 KiB|exit node offered',
      'ci|tag:ci|linux|100.64.0.20|4 h ago|-|-|-|-',
      'alice-phone|alice@example.com|iOS|100.64.0.20|3 d ago|-|-|-|-',
    ]);
    expect(encode(text).length).toBeLessThanOrEqual(450);
    expect(encode(JSON.stringify(data)).length).toBeLessThanOrEqual(1_000);
  });

  test('a tailnet of hundreds stays within a thousand tokens, with what is left out under a handle', async () => {
    const peers = Array.from({ length: 300 }, (_, i) =>
      fakePeer(`machine-${i}`, { online: i % 2 === 0, lastSeenMs: i % 2 ? FAKE_WALL_MS - i * 3_600_000 : null }),
    );
    const rented = Array.from({ length: 200 }, (_, i) => fakePeer(`exit-${i}`, { exitNode: 'offered', rented: true }));
    const { data } = await status({ network: { peers: [...peers, ...rented] } });
    expect([data.total, data.matched, data.leftOut, data.peers.length]).toEqual([500, 300, 200, 300]);
    expect(tailnetStatus.cut?.lists).toEqual(['peers']);
    const first = tailnetStatus.text({ ...data, peers: data.peers.slice(0, 12) } as never, {
      paint: (_, t) => t,
      width: 200,
      now: FAKE_WALL_MS,
    });
    expect(encode(first).length).toBeLessThanOrEqual(700);
    expect((await status({ network: { peers: rented } }, { filter: 'exit-19' })).data.matched).toBe(11);
  });

  test('filters, and sorts', async () => {
    const names = async (args: object) => (await status({}, args)).data.peers.map((p) => p.name);
    expect(await names({})).toEqual(['alice-laptop', 'home-router', 'ci', 'alice-phone']);
    expect(await names({ sort: 'name' })).toEqual(['alice-laptop', 'alice-phone', 'ci', 'home-router']);
    expect((await names({ sort: 'traffic' }))[1]).toBe('home-router');
    expect(await names({ online: true })).toEqual(['alice-laptop', 'home-router']);
    expect(await names({ filter: 'TAG:CI' })).toEqual(['ci']);
    expect(await names({ filter: 'ios' })).toEqual(['alice-phone']);
    expect(await names({ filter: 'nobody' })).toEqual([]);
  });

  test.each<[string, Over, string[]]>([
    ['signed out', { network: { state: 'NeedsLogin', certDomains: [] }, serve: { served: [] } }, ['high tailnet_away']],
    ['a key over', { network: { keyExpiresAtMs: FAKE_WALL_MS - DAY } }, ['high tailnet_key_expired']],
    ['a key nearly over', { network: { keyExpiresAtMs: FAKE_WALL_MS + 2 * DAY } }, ['high tailnet_key_expires']],
    ['a key soon over', { network: { keyExpiresAtMs: FAKE_WALL_MS + 9 * DAY } }, ['medium tailnet_key_expires']],
    ['a key of months', { network: { keyExpiresAtMs: FAKE_WALL_MS + 90 * DAY } }, []],
    ['what it says itself', { network: { health: ['DNS does not work'] } }, ['medium tailnet_health']],
    ['no HTTPS', { network: { certDomains: [] } }, ['medium tailnet_no_https']],
    ['no HTTPS that nobody needs', { network: { certDomains: [] }, own: { socket: null } }, ['info tailnet_no_https']],
    ['an old one', { network: { version: '1.92.5' } }, ['medium tailnet_old']],
    ['userspace', { network: { tun: false } }, ['low tailnet_userspace']],
    ['Funnel to here', { serve: { served: [{ ...served, funnel: true }] } }, ['high tailnet_funnel_here']],
    ['Funnel to here, wanted', { serve: { served: [{ ...served, funnel: true }] }, own: { funnel: 'allow' } }, []],
    [
      'Funnel to something else',
      {
        serve: {
          served: [served],
          answered: [files],
        },
      },
      ['medium tailnet_funnel'],
    ],
    [
      'plain TCP to the socket',
      { serve: { served: [{ ...served, kind: 'tcp', at: '*:9000' }] } },
      ['high tailnet_raw_forward'],
    ],
    [
      'serve that leads elsewhere',
      { serve: { served: [{ ...served, target: 'http://127.0.0.1:3000' }] } },
      ['medium tailnet_not_served'],
    ],
    ['nothing served', { serve: { served: [] } }, ['medium tailnet_not_served']],
    ['nothing served, and none wanted', { serve: { served: [] }, own: { socket: null } }, []],
    [
      'a service and no tag',
      { network: { tags: [] }, own: { service: 'svc:deckhand' } },
      ['medium tailnet_service_tag'],
    ],
    ['a service that waits', { own: { service: 'svc:deckhand' } }, ['medium tailnet_service_waiting']],
    ['a service', { network: { services: ['svc:deckhand'] }, own: { service: 'svc:deckhand' } }, []],
    ['a service of which nothing is said', { network: { services: null }, own: { service: 'svc:deckhand' } }, []],
  ])('%s', async (_, over, ids) => {
    expect(await found(over)).toEqual(ids);
  });

  test('each finding says its next step, and a port in it is a number', async () => {
    const { data } = await status({
      serve: { served: [{ ...served, at: 'ops:443; reboot', funnel: true }] },
    });
    expect(data.findings[0]?.next).toBe('sudo tailscale funnel --https=443 off');
  });

  test('what is not known is null with its reason', async () => {
    const serve = new OpsError('unavailable', 'tailscaled says no (403).');
    const { data, text } = await status({ serve, network: { peers: null, whyNoPeers: 'too many', tun: null } });
    expect([data.served, data.total, data.matched, data.self.networking]).toEqual([null, null, null, null]);
    expect(data.unknown).toEqual([
      { what: 'served', why: 'tailscaled says no (403).' },
      { what: 'self.networking', why: 'tailscaled does not say' },
      { what: 'peers', why: 'too many' },
    ]);
    expect(text).toContain('other machines unknown');
    await expect(status({ network: new OpsError('unavailable', 'tailscaled is not running here.') })).rejects.toThrow(
      'not running',
    );
  });
});
