/** What is counted before anybody is known, through the face: addresses, tiers, failed tries, what clients are told, and that all of it adds up. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { byToken } from '../../src/policy/authenticate.ts';
import { createRefusals } from '../../src/policy/refusals.ts';
import { rig } from '../fakes/policy.ts';
import { fixtureDoor } from './fixture-door.ts';
import { legacy, modern, TOKENS, type Web, web } from './fixture-http.ts';

const BEGAN = 1_800_000_000_000;
const clock = () => {
  let t = BEGAN;
  return {
    now: () => t,
    on: (ms: number) => {
      t += ms;
    },
  };
};

/** A request from an address, without a socket. */
async function from(w: Web, address: string, token: string | null, body: unknown = legacy('tools/list')) {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    host: 'localhost',
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
  };
  const incoming = { socket: { remoteAddress: address }, headers, rawHeaders: [] };
  const init = { method: 'POST', headers, body: JSON.stringify(body) };
  const response = await w.face.app.request('/mcp', init, { incoming } as never);
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** Counts what is looked at. */
function counted(over: Parameters<typeof web>[0] = {}) {
  const c = clock();
  const looked: (string | undefined)[] = [];
  const find = byToken((secret) => TOKENS[secret] ?? null);
  const w = web({
    now: c.now,
    authenticate: (shown) => {
      looked.push(shown.bearer ?? undefined);
      return find(shown);
    },
    ...over,
    http: { requestsPerMinutePerAddress: 100, ...over.http },
  });
  const many = async (n: number, address: string, token: string | null) => {
    const statuses: number[] = [];
    for (let i = 0; i < n; i++) statuses.push((await from(w, address, token)).status);
    return statuses;
  };
  return { w, c, looked, many };
}

const times = <T>(n: number, x: T): T[] => Array<T>(n).fill(x);

describe('messages', () => {
  test('a hundred calls cannot hide in one: an array is refused, and costs as much as any', async () => {
    const { w, many } = counted({ http: { maxBodyBytes: 65_536 } });
    const call = legacy('tools/call', { name: 'fixture_look', arguments: {} });
    const packed = await from(w, '10.0.0.1', 'full', times(100, call));
    expect(packed.status).toBe(400);
    expect(w.records.filter((r) => r.event === 'call')).toEqual([]);
    expect(await many(100, '10.0.0.1', 'full')).toEqual([...times(99, 200), 429]);
  });
});

describe('addresses', () => {
  test('a hundred a minute, before anybody is known; all of a /64 are one, the next one is another', async () => {
    const { w, looked, many } = counted();
    for (let i = 0; i < 100; i++) expect((await from(w, `2001:db8::${i.toString(16)}`, null)).status, `${i}`).toBe(401);
    const over = await from(w, '2001:db8::ffff', 'full');
    expect(over.status).toBe(429);
    expect(Number(over.headers.get('retry-after'))).toBeGreaterThan(55);
    expect(looked).toHaveLength(100);
    expect(await many(1, '2001:db8:0:1::1', 'full')).toEqual([200]);
    expect(await many(1, '::ffff:10.0.0.1', 'full')).toEqual([200]);
  });

  test('whoever waits as long as told is let in', async () => {
    const { w, c, many } = counted();
    await many(100, '10.0.0.1', 'full');
    const over = await from(w, '10.0.0.1', 'full');
    c.on(Number(over.headers.get('retry-after')) * 1_000);
    expect(await many(1, '10.0.0.1', 'full')).toEqual([200]);
  });
});

describe('a limit of one’s own', () => {
  const tier = { tier: ({ id }: { id: string }) => (id === 'token:full' ? 300 : undefined) };

  test('who was verified is counted for itself, and a flood of its address does not keep it out', async () => {
    const { many } = counted(tier);
    expect(await many(1, '10.0.0.1', 'full')).toEqual([200]);
    expect((await many(200, '10.0.0.1', null)).at(-1)).toBe(429);
    expect(await many(301, '10.0.0.1', 'full')).toEqual([...times(300, 200), 429]);
    // Control: without one it shares what the flood has used up.
    expect(await many(1, '10.0.0.1', 'small')).toEqual([429]);
    const without = counted();
    expect(await without.many(1, '10.0.0.1', 'full')).toEqual([200]);
    await without.many(200, '10.0.0.1', null);
    expect(await without.many(1, '10.0.0.1', 'full')).toEqual([429]);
  });

  test('it is the same one from every address, and takes nothing from theirs', async () => {
    const { many } = counted(tier);
    for (const address of ['10.0.0.1', '10.0.0.2', '10.0.0.3']) await many(1, address, 'full');
    const seen = [...(await many(150, '10.0.0.2', 'full')), ...(await many(151, '10.0.0.3', 'full'))];
    // The very first one, when nobody knew it, was its address's; the other two of the three were its own.
    expect(seen.filter((s) => s === 200)).toHaveLength(298);
    expect(await many(90, '10.0.0.2', 'small')).toEqual(times(90, 200));
  });

  test('never for one that is unknown or wrong, nor for one that was revoked since', async () => {
    let good = true;
    const find = byToken((secret) => (good ? (TOKENS[secret] ?? null) : null));
    const { many } = counted({ ...tier, authenticate: find });
    await many(1, '10.0.0.1', 'full');
    await many(120, '10.0.0.1', null);
    expect(await many(1, '10.0.0.1', 'guess')).toEqual([429]);
    expect(await many(1, '10.0.0.1', 'full')).toEqual([200]);
    good = false;
    // Looked at once more, and then on its address's account.
    expect(await many(2, '10.0.0.1', 'full')).toEqual([401, 429]);
  });
});

describe('failed tries', () => {
  test('after ten nothing of that address is looked at for a while, and each one after doubles it', async () => {
    const { w, c, looked, many } = counted({ http: { requestsPerMinutePerAddress: 10_000 } });
    expect(await many(12, '10.0.0.1', 'guess')).toEqual([...times(10, 401), 429, 429]);
    expect(looked).toHaveLength(10);
    const waits: number[] = [];
    for (let i = 0; i < 6; i++) {
      const { status, headers, text } = await from(w, '10.0.0.1', 'guess');
      expect(status, text).toBe(429);
      waits.push(Number(headers.get('retry-after')));
      c.on(Number(headers.get('retry-after')) * 1_000);
      expect(await many(1, '10.0.0.1', 'guess')).toEqual([401]);
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32]);
    expect(await many(1, '10.0.0.2', 'guess')).toEqual([401]);
  });

  test('a token of one’s own does not buy further tries, and one that was good is not kept out', async () => {
    const { looked, many } = counted({ http: { requestsPerMinutePerAddress: 10_000 } });
    expect(await many(1, '10.0.0.1', 'full')).toEqual([200]);
    const guessed: number[] = [];
    for (let i = 0; i < 100; i++) {
      guessed.push(...(await many(1, '10.0.0.1', `guess${i}`)));
      expect(await many(1, '10.0.0.1', 'full')).toEqual([200]);
    }
    expect(guessed).toEqual([...times(10, 401), ...times(90, 429)]);
    expect(looked.filter((b) => b?.startsWith('guess'))).toHaveLength(10);
    // Good, and not seen here before: it waits like a guess, because it cannot be told from one without looking.
    expect(await many(1, '10.0.0.1', 'other')).toEqual([429]);
    expect(await many(1, '10.0.0.9', 'other')).toEqual([200]);
    expect(await many(1, '10.0.0.1', 'other')).toEqual([200]);
  });

  test('who sends none is asked for one as ever; what cannot be told now, or is not wanted, is no failed try', async () => {
    const { many } = counted();
    expect(await many(30, '10.0.0.1', null)).toEqual(times(30, 401));
    expect(await many(1, '10.0.0.1', 'full')).toEqual([200]);
    for (const status of [503, 403] as const) {
      const refused = { status: 0 } as never;
      const away = counted({
        authenticate: () => ({
          refused: Object.assign(refused, { details: {}, message: 'x', code: 'unavailable' }),
          status,
          sent: true,
        }),
      });
      expect(await away.many(30, '10.0.0.1', 'full')).toEqual(times(30, status));
    }
  });

  test('one that cannot be read counts as well', async () => {
    const { many } = counted();
    expect(new Set((await many(10, '10.0.0.1', 'not a token')).map((s) => s === 429))).toEqual(new Set([false]));
    expect(await many(1, '10.0.0.1', 'not a token')).toEqual([429]);
  });
});

describe('what clients are told', () => {
  test('policy and state by the draft, on answers and on refusals; the name says whose it is', async () => {
    const { w, many } = counted({ tier: ({ id }) => (id === 'token:full' ? 2 : undefined) });
    const first = await from(w, '10.0.0.1', 'small');
    expect([first.headers.get('ratelimit-policy'), first.headers.get('ratelimit')]).toEqual([
      '"address";q=100;w=60',
      '"address";r=99;t=65',
    ]);
    await many(1, '10.0.0.1', 'full');
    const own = await from(w, '10.0.0.1', 'full');
    expect([own.headers.get('ratelimit-policy'), own.headers.get('ratelimit')]).toEqual([
      '"principal";q=2;w=60',
      '"principal";r=1;t=65',
    ]);
    await many(1, '10.0.0.1', 'full');
    const over = await from(w, '10.0.0.1', 'full');
    expect(over.status).toBe(429);
    expect([over.headers.get('ratelimit'), over.headers.get('retry-after')]).toEqual(['"principal";r=0;t=65', '65']);
    expect(over.text).toContain('requestsPerMinute');
  });

  test('on the short way, too', async () => {
    const w = web({ http: { requestsPerMinutePerAddress: 5 } });
    const { url } = await w.face.listen();
    const m = modern('tools/call', { name: 'fixture_look', arguments: {} });
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      authorization: 'Bearer full',
      ...m.headers,
    };
    const seen: (string | null)[] = [];
    for (let i = 0; i < 6; i++) {
      const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(m.body) });
      await response.text();
      seen.push(`${response.status} ${response.headers.get('ratelimit')?.replace(/t=\d+/, 't')}`);
    }
    await w.face.close();
    expect(seen).toEqual([...[4, 3, 2, 1, 0].map((r) => `200 "address";r=${r};t`), '429 "address";r=0;t']);
  });
});

test('whatever a flood is made of, the numbers on record are what was refused, and the records are few', {
  timeout: 30_000,
}, async () => {
  const one = fc.record({
    address: fc.nat(400),
    token: fc.constantFrom(null, 'guess', 'full', 'nonsense token'),
    origin: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(one, { minLength: 50, maxLength: 300 }), async (flood) => {
      const r = rig();
      const refusals = createRefusals(r.policy);
      const fixture = fixtureDoor();
      const door = { ...fixture.door, refused: refusals.note };
      const w = web({ now: r.clock.now, http: { requestsPerMinutePerAddress: 5 } }, { ...fixture, door });
      const sent = { 401: 0, 403: 0, 429: 0, 400: 0, 200: 0 } as Record<number, number>;
      for (const { address, token } of flood) {
        const { status } = await from(w, `10.0.${address >> 3 > 20 ? address & 255 : 0}.${address & 7}`, token);
        sent[status] = (sent[status] ?? 0) + 1;
      }
      refusals.close();
      const recorded: Record<string, number> = {};
      for (const { fields } of r.records)
        recorded[String(fields.outcome)] = (recorded[String(fields.outcome)] ?? 0) + Number(fields.count ?? 1);
      expect(recorded.limit ?? 0).toBe(sent[429]);
      expect((recorded.permission ?? 0) + (recorded.validation ?? 0)).toBe((sent[401] ?? 0) + (sent[400] ?? 0));
      expect(r.records.length).toBeLessThanOrEqual(2 * 3 * (250 + 1));
    }),
    { numRuns: 15 },
  );
});
