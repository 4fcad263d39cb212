/**
 * A client goes, in each way that it can, in the middle of a read, of a change before its first effect, and after it: on the product's own
 * processes, both eras, both transports. What each does is what is promised: a read stops, a change that has begun runs to its verdict.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  type Call,
  type Client,
  type Era,
  overHttp,
  overStdio,
  type Process,
  type Server,
  type Stage,
  serve,
  stageAt,
  until,
} from './work_client.ts';
import { wordOf } from './work_tools.ts';

// Processes are started, and a busy machine takes its time.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let at: Stage;
let server: Server;
beforeAll(async () => {
  at = stageAt();
  server = await serve(at);
});
afterAll(async () => {
  server.child.kill('SIGTERM');
  expect(await server.exit).toBe(0);
  expect(server.err()).toBe('');
  at[Symbol.dispose]();
});

type Place = 'stdio' | 'HTTP' | 'HTTP without a session';
const PLACES: [Era, Place][] = [
  ['2026-07-28', 'stdio'],
  ['2025-11-25', 'stdio'],
  ['2026-07-28', 'HTTP'],
  ['2025-11-25', 'HTTP'],
  ['2025-11-25', 'HTTP without a session'],
];
type Way = 'cancels' | 'is gone' | 'is gone, and we are told to stop';
const waysOf = (place: Place): Way[] => [
  ...(place === 'HTTP without a session' ? [] : (['cancels'] as const)),
  'is gone',
  ...(place === 'stdio' ? (['is gone, and we are told to stop'] as const) : []),
];
/** A process for each: one way of a pipe, unless time is no matter. */
const all = process.env.DECKHAND_REAL === '1';
const CASES = PLACES.flatMap(([era, place]) => waysOf(place).map((way) => ({ era, place, way }))).filter(
  ({ era, place, way }) => all || place !== 'stdio' || (era === '2025-11-25' && way === 'is gone'),
);
if (!all) process.stderr.write('SKIPPED most of stdio in tests/e2e/disconnects: it needs DECKHAND_REAL=1.\n');

const connect = (era: Era, place: Place): Promise<Client> =>
  place === 'stdio' ? overStdio(at, era) : overHttp(server, server.token, era, { stateless: place !== 'HTTP' });

async function go(way: Way, call: Call, process: Process | undefined): Promise<void> {
  if (way === 'cancels') return call.cancel();
  call.leave();
  if (way !== 'is gone') process?.child.kill('SIGTERM');
}
let n = 0;
const fresh = () => `d${++n}`;
const reached = (what: string, name: string) => until(() => at.log().includes(`${what} ${name}`), `${what} ${name}`);
async function recorded(name: string): Promise<Record<string, unknown>> {
  await until(() => at.closing(name) !== undefined, `the closing record of ${name}`);
  return at.closing(name) as Record<string, unknown>;
}
const intents = (call: unknown) => at.records().filter((r) => r.event === 'intent' && r.call === call).length;
const ends = async (process: Process | undefined) => {
  if (process) expect([await process.exit, process.err()]).toEqual([0, '']);
};

describe.concurrent.each(CASES)('$era over $place: a client that $way', ({ era, place, way }) => {
  test.each(['work_read', 'work_read_long'])('in %s: it stops, and the record says so', async (tool) => {
    const name = fresh();
    const client = await connect(era, place);
    const call = client.call(tool, { name });
    await reached('begun', name);
    await go(way, call, client.process);
    await reached('stopped', name);
    expect(await recorded(name)).toMatchObject({ outcome: 'timeout', why: 'The caller cancelled.' });
    await client.close();
    await ends(client.process);
    expect(at.log()).not.toContain(`ended ${name}`);
  });

  test.each(['work_change', 'work_change_long'])('in %s before its first effect: nothing has changed', async (tool) => {
    const name = fresh();
    const client = await connect(era, place);
    const call = client.call(tool, { name });
    await reached('begun', name);
    await go(way, call, client.process);
    await reached('stopped', name);
    const record = await recorded(name);
    expect(record).toMatchObject({ outcome: 'timeout', why: 'The caller cancelled.' });
    expect(intents(record.call)).toBe(1);
    await client.close();
    await ends(client.process);
    at.let('effect', name);
    expect([wordOf(at.stage, name), at.log().includes(`effect ${name}`)]).toEqual(['old', false]);
  });

  test.each(['work_change', 'work_change_long'])(
    'in %s after its first effect: it ends as it would have',
    async (tool) => {
      const name = fresh();
      const client = await connect(era, place);
      const call = client.call(tool, { name });
      at.let('effect', name);
      await reached('effect', name);
      await go(way, call, client.process);
      // Something else that is served by the same server, or the end of a pipe, comes after the leaving.
      if (!client.process) await (await connect('2026-07-28', 'HTTP')).call('result_query', {}).result;
      else if (way === 'cancels') await client.call('result_query', {}).result;
      at.let('verdict', name);
      await reached('ended', name);
      const record = await recorded(name);
      expect(record).toMatchObject({ outcome: 'done' });
      expect(intents(record.call)).toBe(1);
      await client.close();
      await ends(client.process);
      expect(at.log()).not.toContain(`stopped ${name}`);
      expect(wordOf(at.stage, name)).toBe('new');
    },
  );
});
