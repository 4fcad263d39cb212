/** What every JournalHost does: asked of the fake, of journalctl over files made to measure, and of a booted systemd's. */
import { expect, test } from 'vitest';
import type { LogEnd } from '../../src/core/docker.ts';
import type { OpsError } from '../../src/core/errors.ts';
import type { JournalHost, JournalLine, JournalWindow } from '../../src/core/journal.ts';
import type { Written } from '../fakes/journal.ts';

export const START = Date.UTC(2026, 10, 20, 10, 0, 0);
const at = (seconds: number) => START + seconds * 1_000;

/** Two boots, 30 entries in each, a second apart, and some that are not like others. */
export const ENTRIES: Written[] = [
  ...Array.from(
    { length: 30 },
    (_, i): Written => ({
      ...{ atMs: at(i), boot: -1, message: `old ${i}`, unit: 'web.service', identifier: 'web', pid: 100, priority: 6 },
    }),
  ),
  { atMs: at(100), message: 'Linux version 6.12', kernel: true, identifier: 'kernel', priority: 5 },
  { atMs: at(101), message: 'Out of memory: Killed process 4', kernel: true, identifier: 'kernel', priority: 3 },
  {
    atMs: at(102),
    message: 'Started web.service.',
    identifier: 'systemd',
    pid: 1,
    unit: 'init.scope',
    about: 'web.service',
    priority: 6,
  },
  ...Array.from(
    { length: 30 },
    (_, i): Written => ({
      atMs: at(110 + i) + 0.123,
      message: `${i % 2 ? 'db' : 'web'} ${i}`,
      unit: i % 2 ? 'db.service' : 'web.service',
      identifier: i % 2 ? 'postgres' : 'web',
      pid: 200 + (i % 2),
      priority: i % 10 === 7 ? 3 : 6,
    }),
  ),
  {
    atMs: at(150),
    message: 'first line\n\tat second(line)\n\nlast line',
    unit: 'web.service',
    identifier: 'web',
    pid: 200,
    priority: 4,
  },
  {
    atMs: at(151),
    message: Buffer.from([0x62, 0x61, 0x64, 0x20, 0xff, 0xfe, 0x00, 0x21]),
    identifier: 'raw',
    pid: 9,
    priority: 6,
  },
  { atMs: at(152), message: `huge ${'x'.repeat(1_000_000)}`, identifier: 'huge', pid: 10, priority: 6 },
  { atMs: at(153), message: 'ünïcode — “text”', identifier: 'a.b-c@d_e' },
];
const NOW = ENTRIES.length - 30;

export const BOUNDS = { maxBytes: 64 * 1024 * 1024, maxLineBytes: 4_096 };

export async function readAll(
  host: JournalHost,
  w: Partial<JournalWindow> = {},
): Promise<{ lines: JournalLine[]; end: LogEnd }> {
  const stream = host.read({ ...BOUNDS, ...w });
  const lines: JournalLine[] = [];
  for (;;) {
    const step = await stream.next();
    if (step.done) return { lines, end: step.value };
    lines.push(step.value);
  }
}

export function journalContract(name: string, hostOf: () => JournalHost): void {
  const texts = async (w: Partial<JournalWindow> = {}) => (await readAll(hostOf(), w)).lines.map((l) => l.text);
  const failed = (w: Partial<JournalWindow>) =>
    readAll(hostOf(), w).then(
      () => null,
      (e: OpsError) => e.code,
    );

  test(`${name}: is there, and says how much room it takes`, async () => {
    expect(hostOf().available()).toEqual({ value: { manager: 'journald', volatile: false } });
    expect((await hostOf().usage()).value).toBeGreaterThan(0);
  });

  test(`${name}: all of it is all of it, in order, with who said it`, async () => {
    const { lines, end } = await readAll(hostOf());
    expect(lines).toHaveLength(ENTRIES.length);
    expect(end).toMatchObject({ lines: ENTRIES.length, stopped: false });
    expect(lines.map((l) => l.atMs)).toEqual(lines.map((l) => l.atMs).toSorted((a, b) => a - b));
    expect(lines[0]).toMatchObject({
      ...{ text: 'old 0', unit: 'web.service', identifier: 'web', pid: 100, priority: 6, atMs: at(0), nanos: 0 },
      ...{ stream: 'stdout', cut: false },
    });
    expect(lines[33]).toMatchObject({ atMs: at(110), nanos: 123_000 });
    expect(lines.at(-1)).toMatchObject({ text: 'ünïcode — “text”', unit: null, pid: null, priority: null });
  });

  test(`${name}: an entry of several lines is one, bytes that are no text are marked, a huge one is cut`, async () => {
    const [several, raw, huge] = (await readAll(hostOf(), { sinceMs: at(150) })).lines;
    expect(several?.text).toBe('first line\n\tat second(line)\n\nlast line');
    expect(raw?.text).toBe('bad \ufffd\ufffd\u0000!');
    expect(huge).toMatchObject({ cut: true, text: `huge ${'x'.repeat(4_091)}` });
  });

  test(`${name}: by time, both ends included`, async () => {
    expect(await texts({ sinceMs: at(5), untilMs: at(7) })).toEqual(['old 5', 'old 6', 'old 7']);
    expect(await texts({ sinceMs: at(139), untilMs: at(139) })).toEqual(['db 29']);
    expect(await texts({ sinceMs: at(200) })).toEqual([]);
    expect(await texts({ untilMs: at(-1) })).toEqual([]);
  });

  test(`${name}: by unit (with what its manager said of it), identifier, priority, kernel, boot`, async () => {
    expect(await texts({ units: ['db.service'] })).toEqual(Array.from({ length: 15 }, (_, i) => `db ${i * 2 + 1}`));
    const web = await readAll(hostOf(), { units: ['web.service'], boot: 0 });
    expect(web.lines[0]).toMatchObject({ text: 'Started web.service.', unit: 'web.service', identifier: 'systemd' });
    expect(web.lines).toHaveLength(17);
    expect(await texts({ units: ['db.service', 'web.service'], boot: 0 })).toHaveLength(32);
    expect(await texts({ identifiers: ['a.b-c@d_e'] })).toEqual(['ünïcode — “text”']);
    expect(await texts({ priority: 3 })).toEqual(['Out of memory: Killed process 4', 'db 7', 'db 17', 'db 27']);
    expect(await texts({ kernel: true })).toEqual(['Linux version 6.12', 'Out of memory: Killed process 4']);
    expect(await texts({ kernel: true, priority: 3, boot: 0 })).toHaveLength(1);
    expect(await texts({ boot: -1 })).toHaveLength(30);
    expect(await texts({ boot: 0 })).toHaveLength(NOW);
    expect(await texts({ units: ['not-there.service'] })).toEqual([]);
    expect(await failed({ boot: -7 })).toBe('not_found');
  });

  test(`${name}: the last ones, before a time, and not before another`, async () => {
    expect(await texts({ tail: 1 })).toEqual(['ünïcode — “text”']);
    expect(await texts({ tail: 3, untilMs: at(20) })).toEqual(['old 18', 'old 19', 'old 20']);
    expect(await texts({ tail: 3, untilMs: at(20), units: ['web.service'] })).toEqual(['old 18', 'old 19', 'old 20']);
    expect(await texts({ tail: 3, untilMs: at(139) })).toEqual(['db 27', 'web 28', 'db 29']);
    expect(await texts({ tail: 30, sinceMs: at(137), untilMs: at(139) })).toEqual(['db 27', 'web 28', 'db 29']);
    expect(await texts({ tail: 5, sinceMs: at(152.5) })).toEqual(['ünïcode — “text”']);
    expect(await texts({ tail: 5, untilMs: at(-1) })).toEqual([]);
    expect(await texts({ tail: 1_000_000 })).toHaveLength(ENTRIES.length);
  });

  test(`${name}: reading goes on behind a cursor`, async () => {
    const { lines } = await readAll(hostOf(), { untilMs: at(20) });
    const cursor = lines.at(-1)?.cursor as string;
    expect((await texts({ afterCursor: cursor })).slice(0, 2)).toEqual(['old 21', 'old 22']);
    expect(await texts({ afterCursor: cursor, units: ['db.service'], untilMs: at(113) })).toEqual(['db 1', 'db 3']);
    expect(await failed({ afterCursor: '--output=verbose' })).toBe('validation');
    expect(await failed({ afterCursor: cursor, tail: 3 })).toBe('validation');
  });

  test(`${name}: what is no name is refused before anyone is asked`, async () => {
    for (const unit of ['*', 'ng*.service', '--output=cat', 'web', '-x.service', 'a b.service'])
      expect(await failed({ units: [unit] }), unit).toBe('validation');
    for (const id of ['', 'a b', '--follow x', 'a\n', '*'])
      expect(await failed({ identifiers: [id] }), id).toBe('validation');
    expect(await texts({ identifiers: ['--follow'] })).toEqual([]);
  });

  test(`${name}: no more bytes than asked for, and it says so`, async () => {
    const { lines, end } = await readAll(hostOf(), { maxBytes: 4_000 });
    expect(end).toMatchObject({ stopped: true });
    expect(end.bytesRead).toBeLessThanOrEqual(4_000);
    expect(lines.length).toBeGreaterThan(3);
    expect(lines.length).toBeLessThan(30);
  });

  test(`${name}: whoever stops taking, or leaves, is heard`, async () => {
    const stream = hostOf().read(BOUNDS);
    expect((await stream.next()).done).toBe(false);
    await stream.return({ bytesRead: 0, lines: 0, stopped: true });
    expect((await stream.next()).done).toBe(true);
    const left = new AbortController();
    const other = hostOf().read({ ...BOUNDS, signal: left.signal });
    await other.next();
    left.abort();
    await expect(
      (async () => {
        for (let step = await other.next(); !step.done; step = await other.next());
      })(),
    ).rejects.toThrow();
  });
}
