/** The log: one shape whoever writes it, nothing secret in it, and nothing that happens to stderr reaches the server. */
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createLog, prettyLine, type Sink, stderrSink } from '../src/log.ts';

const LOG = join(import.meta.dirname, '../src/log.ts');

function memory(terminal = false) {
  const lines: string[] = [];
  const sink: Sink = { terminal, write: (line) => lines.push(line), flush: () => {} };
  return { lines, sink, records: () => lines.map((l) => JSON.parse(l) as Record<string, unknown>) };
}
const now = () => Date.UTC(2026, 10, 21, 12, 34, 56, 789);

/** Writes without pino until it has been loaded by enough lines. */
async function withPino(...args: Parameters<typeof createLog>) {
  const log = createLog(...args);
  const own = vi.spyOn(JSON, 'stringify');
  onTestFinished(() => own.mockRestore());
  for (let i = 0; i < 20; i++) log.error({}, 'before');
  await vi.waitFor(() => {
    own.mockClear();
    log.error({}, 'probe');
    expect(own).not.toHaveBeenCalled();
  });
  own.mockRestore();
  return log;
}

test('pino and the first lines without it write the same bytes, whatever the fields', async () => {
  const early = memory();
  const late = memory();
  const b = await withPino({ level: 'debug', format: 'json', sink: late.sink, now });
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true })),
      fc.string(),
      fc.constantFrom('debug', 'info', 'warn', 'error'),
      (fields, message, level) => {
        early.lines.length = 0;
        late.lines.length = 0;
        // A new one each time: it never gets as far as pino.
        createLog({ level: 'debug', format: 'json', sink: early.sink, now })
          .child({ call: 'c1' })
          [level](fields, message);
        b.child({ call: 'c1' })[level](fields, message);
        expect(early.lines).toEqual(late.lines);
        expect(early.lines).toHaveLength(1);
        expect(early.lines[0]).toMatch(/^[^\n]*\n$/);
        expect(JSON.parse(early.lines[0] as string)).toMatchObject({
          level,
          time: '2026-11-21T12:34:56.789Z',
          pid: process.pid,
          msg: message,
        });
      },
    ),
    { numRuns: 300 },
  );
});

test('an error alone, with a code and a cause, or with neither a code nor a stack, and a date that is none, are written as what they are', () => {
  const { sink, records } = memory();
  const log = createLog({ level: 'debug', format: 'json', sink, redact: (text) => text.replaceAll('hunter2', '⟦x⟧') });
  log.error(Object.assign(new TypeError('hunter2 refused', { cause: 'of hunter2' }), { code: 'ECONNREFUSED' }), 'a');
  log.error({ err: Object.assign(new Error('b'), { code: 7, stack: undefined }) }, 'b');
  log.error({ err: Object.assign(new Error('c'), { code: { not: 'a code' } }), at: new Date(Number.NaN) }, 'c');
  const [alone, coded, odd] = records();
  expect(alone).toMatchObject({
    error: { type: 'TypeError', message: '⟦x⟧ refused', code: 'ECONNREFUSED', cause: 'of ⟦x⟧' },
  });
  expect(JSON.stringify(alone)).not.toContain('hunter2');
  expect(coded?.err).toEqual({ type: 'Error', message: 'b', code: 7 });
  expect(odd).toMatchObject({ err: { message: 'c', stack: expect.any(String) }, at: null });
  expect(odd?.err).not.toHaveProperty('code');
});

test('levels', async () => {
  for (const make of [async (o: Parameters<typeof createLog>[0]) => createLog(o), withPino]) {
    const { lines, sink, records } = memory();
    const log = await make({ level: 'warn', format: 'json', sink });
    lines.length = 0;
    log.debug({}, 'a');
    log.info({}, 'b');
    log.warn({}, 'c');
    log.error({}, 'd');
    expect(records().map((r) => [r.level, r.msg])).toEqual([
      ['warn', 'c'],
      ['error', 'd'],
    ]);
  }
});

test('texts are redacted at any depth: message, fields, keys, errors and their causes, children', () => {
  const { lines, sink } = memory();
  const redact = (text: string) => text.replaceAll('hunter2', '⟦redacted⟧');
  const log = createLog({ level: 'info', format: 'json', sink, redact });
  const error = new Error('wrong hunter2', { cause: new TypeError('because hunter2') });
  log
    .child({ who: 'x hunter2' })
    .info({ a: { b: ['hunter2', { hunter2: 1 }] }, error, long: `${'x'.repeat(8188)}hunter2` }, 'login hunter2');
  expect(lines[0]).not.toMatch(/hunter2?\b|hunt/);
  expect(JSON.parse(lines[0] as string)).toMatchObject({
    error: { type: 'Error', message: 'wrong ⟦redacted⟧', cause: { type: 'TypeError' } },
  });
});

test('nothing that is logged can throw, grow without bound or forge a line', () => {
  const { lines, sink, records } = memory();
  const log = createLog({ level: 'info', format: 'json', sink });
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  log.info(
    {
      cycle,
      fn: () => 1,
      big: 2n ** 70n,
      nan: Number.NaN,
      bytes: Buffer.from('secret'),
      list: Array(1000).fill(1),
      long: 'y'.repeat(100_000),
      level: 'forged',
      msg: 'forged',
      pid: 1,
    },
    'two\nlines',
  );
  log.info(
    {
      get broken() {
        throw new RangeError('no');
      },
    },
    'x',
  );
  const wide = (depth: number): unknown => (depth === 0 ? 'x' : Array.from({ length: 20 }, () => wide(depth - 1)));
  log.info({ wide: wide(4) }, 'm'.repeat(100_000));
  expect(lines[2]?.length).toBeLessThan(256 * 1024);
  const [first, second] = records();
  expect(first).toMatchObject({
    level: 'info',
    msg: 'two\nlines',
    pid: process.pid,
    level_: 'forged',
    msg_: 'forged',
    big: '1180591620717411303424',
    nan: 'NaN',
    bytes: '[6 bytes]',
  });
  expect(first?.list).toHaveLength(101);
  expect(lines[0]?.length).toBeLessThan(12_000);
  expect(second).toMatchObject({ level: 'error', msg: 'a log line could not be made: RangeError' });
});

test('a terminal gets one readable line, and foreign text cannot move its cursor', () => {
  const { lines, sink } = memory(true);
  createLog({ level: 'info', format: 'auto', sink, now }).warn(
    { tool: 'process_list', ms: 12, why: 'two words', o: { a: 1 } },
    'slow \u001b[2J\u202e\nERROR forged',
  );
  expect(lines).toEqual([
    '12:34:56.789 WARN  slow \\u001b[2J\\u202e\\u000aERROR forged  tool=process_list  ms=12  why="two words"  o={"a":1}\n',
  ]);
  const plain = memory(false);
  createLog({ level: 'info', format: 'auto', sink: plain.sink }).info({}, 'x');
  expect(plain.records()[0]).toMatchObject({ msg: 'x' });
  expect(prettyLine('{"level":"info","time":"2026-11-21T00:00:00.000Z","pid":1,"msg":"x"}\n')).toBe(
    '00:00:00.000 INFO  x\n',
  );
});

test('a full disk or a closed descriptor under stderr is borne; when there is room again, what was lost is told', () => {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-log-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const full = stderrSink(openSync('/dev/full', 'w'));
  const log = createLog({ level: 'info', format: 'json', sink: full });
  for (let i = 0; i < 50; i++) log.info({ i }, 'x');
  log.flush();
  const closed = openSync(join(dir, 'x'), 'w');
  closeSync(closed);
  createLog({ level: 'info', format: 'json', sink: stderrSink(closed) }).info({}, 'x');
});

/** Runs a script whose stderr is a pipe that nobody reads until it has ended. */
function child(script: string) {
  return spawn(process.execPath, nodeArguments(script), { stdio: ['ignore', 'pipe', 'pipe'] });
}

const nodeArguments = (script: string) => [
  '--no-warnings',
  '--input-type=module-typescript',
  '-e',
  `import { createLog } from ${JSON.stringify(LOG)}; ${script}`,
];

const FLOOD = `
const log = createLog({ level: 'info', format: 'json' });
const started = performance.now();
for (let i = 0; i < 5000; i++) log.info({ i, pad: 'x'.repeat(200) }, 'flood');
process.stdout.write('alive ' + (performance.now() - started < 5000) + '\\n');
`;

test('a client that never reads stderr does not freeze the server (control: a plain write does)', async () => {
  const run = child(FLOOD);
  onTestFinished(() => void run.kill('SIGKILL'));
  run.stderr?.pause();
  let out = '';
  run.stdout?.on('data', (d) => {
    out += d;
  });
  const code = await new Promise((resolve) => run.once('exit', resolve));
  expect(out).toBe('alive true\n');
  expect(code).toBe(0);

  const naive = child(
    "const { writeSync } = await import('node:fs'); process.stdout.write('started\\n'); for (let i = 0; i < 5000; i++) writeSync(2, 'x'.repeat(300)); process.stdout.write('ended\\n');",
  );
  onTestFinished(() => void naive.kill('SIGKILL'));
  naive.stderr?.pause();
  let said = '';
  await new Promise<void>((resolve) =>
    naive.stdout?.on('data', (d) => {
      said += d;
      if (said.includes('started')) resolve();
    }),
  );
  // A hang has no end to wait for; the same number of lines took the other child a tenth of this.
  const ended = await Promise.race([
    new Promise((r) => naive.once('exit', () => r(true))),
    new Promise((r) => setTimeout(() => r(false), 700)),
  ]);
  expect(ended, 'the plain write was expected to hang').toBe(false);
});

test('nor does a shell’s pipe', async () => {
  // The pipe's reader waits for descriptor 4 and reads nothing; descriptor 3 brings us what the server says.
  const run = spawn('sh', ['-c', '"$@" 2>&1 >&3 | read _ <&4', 'sh', process.execPath, ...nodeArguments(FLOOD)], {
    stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe'],
  });
  onTestFinished(() => void run.kill('SIGKILL'));
  const [, , , says, waits] = run.stdio as unknown as [null, null, null, Readable, Writable];
  let out = '';
  await new Promise<void>((resolve) =>
    says.on('data', (d) => {
      out += d;
      if (out.includes('alive')) resolve();
    }),
  );
  waits.end();
  expect(out).toBe('alive true\n');
});

test('lines that were dropped are counted in the log once somebody reads, and every line is whole', async () => {
  const run = child(
    `const log = createLog({ level: 'info', format: 'json' });
     for (let i = 0; i < 3000; i++) log.info({ i, pad: 'x'.repeat(200) }, 'flood');
     process.on('SIGUSR2', () => { log.info({}, 'again'); log.flush(); process.exit(0); });
     process.stdout.write('full\\n');
     setInterval(() => {}, 1000);`,
  );
  onTestFinished(() => void run.kill('SIGKILL'));
  run.stderr?.pause();
  await new Promise((r) => run.stdout?.once('data', r));
  run.stderr?.resume();
  let text = '';
  let asked: NodeJS.Timeout | undefined;
  run.stderr?.on('data', (d) => {
    text += d;
    // Once nothing comes any more: while the pipe is still full, the next line finds no room either.
    clearTimeout(asked);
    asked = setTimeout(() => run.kill('SIGUSR2'), 200);
  });
  await new Promise((r) => run.once('close', r));
  const lines = text.trimEnd().split('\n');
  const whole = lines
    .filter((l) => l.startsWith('{') && l.endsWith('}'))
    .map((l) => JSON.parse(l) as Record<string, unknown>);
  const note = whole.find((l) => l.dropped !== undefined);
  const flood = whole.filter((l) => l.msg === 'flood');
  expect(flood.length).toBeGreaterThan(20);
  expect(note?.dropped).toBe(3000 - flood.length);
  expect(whole.at(-1)?.msg).toBe('again');
  // At most the one whose tail found no room is broken, and nothing is glued to it.
  expect(lines.length - whole.length).toBeLessThanOrEqual(1);
});

test('nothing is lost when the process exits at once, and nothing goes to stdout', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-log-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const fd = openSync(join(dir, 'err'), 'a');
  writeSync(fd, 'before\n');
  const source = `import { createLog } from ${JSON.stringify(LOG)};
    const log = createLog({ level: 'info', format: 'auto' });
    for (let i = 0; i < 500; i++) { log.info({ i }, 'x'); if (i === 100) await new Promise((r) => setTimeout(r, 50)); }
    process.exit(3);`;
  const run = spawn(process.execPath, ['--no-warnings', '--input-type=module-typescript', '-e', source], {
    stdio: ['ignore', 'pipe', fd],
  });
  let out = '';
  run.stdout?.on('data', (d) => {
    out += d;
  });
  expect(await new Promise((r) => run.once('close', r))).toBe(3);
  closeSync(fd);
  const [first, ...lines] = readFileSync(join(dir, 'err'), 'utf8').trimEnd().split('\n');
  expect(first).toBe('before');
  expect(lines.map((l) => JSON.parse(l).i)).toEqual(Array.from({ length: 500 }, (_, i) => i));
  expect(out).toBe('');
});

test('a reader that goes away is no reason to die', async () => {
  const run = child(
    `const log = createLog({ level: 'info', format: 'json' });
     process.on('SIGUSR2', () => { for (let i = 0; i < 100; i++) log.error({ i }, 'to nobody'); process.stdout.write('alive\\n'); process.exit(0); });
     process.stdout.write('ready\\n');
     setInterval(() => {}, 1000);`,
  );
  onTestFinished(() => void run.kill('SIGKILL'));
  let out = '';
  run.stdout?.on('data', (d) => {
    out += d;
    if (out === 'ready\n') {
      run.stderr?.destroy();
      run.kill('SIGUSR2');
    }
  });
  expect(await new Promise((r) => run.once('exit', r))).toBe(0);
  expect(out).toBe('ready\nalive\n');
});
