/** Telling the system's log: never in anybody's way, bounded, and a failure is said once. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Log } from '../../src/core/call.ts';
import type { ExecRequest, ExecResult } from '../../src/host/exec.ts';
import { findBinary } from '../../src/host/exec.ts';
import { openSyslog, syslogTrouble } from '../../src/host/syslog.ts';

function setUp(answer: (n: number) => Promise<ExecResult> | ExecResult = () => ({ code: 0, stdout: '', stderr: '' })) {
  const asked: ExecRequest[] = [];
  const warned: string[] = [];
  const log: Log = { debug() {}, info() {}, warn: (_, m) => void warned.push(m), error() {} };
  const syslog = openSyslog(log, async (r) => {
    asked.push(r);
    return answer(asked.length);
  });
  return { syslog, asked, warned, said: () => asked.map((r) => r.args.at(-1)) };
}

test('a line goes to logger as one argument, bounded in time', async () => {
  const { syslog, asked } = setUp();
  syslog.tell('s', '-x audit head seq=1\nforged');
  await syslog.settled(1_000);
  expect(asked).toEqual([
    {
      binary: 'logger',
      args: ['-t', 'deckhand', '-p', 'daemon.notice', '--', '-x audit head seq=1\nforged'],
      timeoutMs: 2_000,
      maxBytes: 4_096,
    },
  ]);
});

test('one program at a time; the newest of each subject waits, and no more than 64 of them', async () => {
  let go = () => {};
  const held = new Promise<void>((r) => {
    go = r;
  });
  const { syslog, said } = setUp(async () => {
    await held;
    return { code: 0, stdout: '', stderr: '' };
  });
  for (let i = 0; i < 1_000; i++) syslog.tell('a', `a${i}`);
  expect(said()).toEqual(['a0']);
  for (let i = 0; i < 100; i++) syslog.tell(`s${i}`, `s${i}`);
  await syslog.settled(1);
  expect(said()).toEqual(['a0']);
  go();
  await syslog.settled(5_000);
  expect(said()).toHaveLength(65);
  expect(said().at(-1)).toBe('s99');
});

test('a failure is told once for each time that it begins', async () => {
  const { syslog, warned } = setUp((n) => {
    if (n === 4) return { code: 0, stdout: '', stderr: '' };
    if (n % 2) throw new Error('no logger');
    return { code: 1, stdout: '', stderr: 'no socket' };
  });
  for (let i = 0; i < 3; i++) syslog.tell(`${i}`, 'x');
  await syslog.settled(1_000);
  expect(warned).toHaveLength(1);
  syslog.tell('4', 'x');
  syslog.tell('5', 'x');
  await syslog.settled(1_000);
  expect(warned).toHaveLength(2);
});

test('where no system log listens, nothing is tried', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-syslog-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  expect(syslogTrouble(join(dir, 'none'))).toContain('no socket');
  writeFileSync(join(dir, 'file'), '');
  expect(syslogTrouble(join(dir, 'file'))).toContain('no socket');
  const server = createServer().listen(join(dir, 'socket'));
  await new Promise((r) => server.once('listening', r));
  onTestFinished(() => void server.close());
  expect(syslogTrouble(join(dir, 'socket'))).toBe(findBinary('logger') === null ? '`logger` is not installed' : null);
});
