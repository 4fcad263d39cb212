/** What systemd is told, and above all what it is not told: the watchdog is fed by life alone. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ExecRequest } from '../../src/host/exec.ts';
import { execPath } from '../../src/host/exec.ts';
import { openNotify } from '../../src/host/systemd_notify.ts';

function told(over: { watchdogMs?: number | null; code?: number; hang?: boolean } = {}) {
  const said: string[][] = [];
  const errors: string[] = [];
  const state = { live: true, everyMs: 0, ticking: false, tick: () => {} };
  const requests: ExecRequest[] = [];
  const log = { error: (_: object, text: string) => void errors.push(text) } as never;
  const notify = openNotify({
    socket: '/run/systemd/notify',
    watchdogMs: over.watchdogMs === undefined ? 30_000 : over.watchdogMs,
    live: () => state.live,
    log,
    async exec(request) {
      requests.push(request);
      said.push([...request.args]);
      if (over.hang && said.length > 1) await new Promise(() => {});
      return { code: over.code ?? 0, stdout: '', stderr: 'no such socket' };
    },
    every(ms, work) {
      Object.assign(state, { everyMs: ms, tick: work, ticking: true });
      return () => {
        state.ticking = false;
      };
    },
  });
  return { notify, said, errors, state, requests };
}

test('ready once, then the watchdog at a third of its period, and nothing more after the stop', async () => {
  const { notify, said, state, requests } = told();
  await notify.ready('Listening on http://127.0.0.1:7070/mcp\nREADY=0');
  expect(said).toEqual([['READY=1', 'STATUS=Listening on http://127.0.0.1:7070/mcp READY=0']]);
  expect(state).toMatchObject({ everyMs: 10_000, ticking: true });
  state.tick();
  expect(said.at(-1)).toEqual(['WATCHDOG=1']);
  await notify.stopping('Stopping');
  expect(said.at(-1)).toEqual(['STOPPING=1', 'STATUS=Stopping']);
  expect(state.ticking).toBe(false);
  expect(requests.every((r) => r.binary === 'systemd-notify' && r.env?.NOTIFY_SOCKET === '/run/systemd/notify')).toBe(
    true,
  );
});

test('not live: not fed, and said once; live again: fed again', async () => {
  const { notify, said, errors, state } = told();
  await notify.ready('x');
  state.live = false;
  for (let i = 0; i < 5; i++) state.tick();
  expect(said.filter(([word]) => word === 'WATCHDOG=1')).toEqual([]);
  expect(said.at(-1)?.[0]).toMatch(/^STATUS=Not live/);
  expect(errors).toHaveLength(1);
  await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  state.live = true;
  state.tick();
  expect(said.at(-1)).toEqual(['WATCHDOG=1']);
});

test('a word that hangs is not followed by a crowd of them', async () => {
  const { notify, said, state } = told({ hang: true });
  await notify.ready('x');
  for (let i = 0; i < 10; i++) state.tick();
  expect(said).toHaveLength(2);
});

test('without a watchdog nothing ticks; what cannot be told is an error in the log, and no end', async () => {
  const { notify, errors, state } = told({ watchdogMs: null, code: 1 });
  await notify.ready('x');
  expect(state.ticking).toBe(false);
  expect(errors).toHaveLength(1);
});

test('a child knows of our surroundings what it is told, and nothing else', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-notify-'));
  try {
    const file = join(dir, 'show.sh');
    writeFileSync(file, `env | sort > ${join(dir, 'env')}; ls /proc/self/fd > ${join(dir, 'fds')}`);
    process.env.LISTEN_FDS = '1';
    await execPath('/bin/sh', { args: [file], env: { NOTIFY_SOCKET: '/n' }, timeoutMs: 10_000, maxBytes: 1_000 });
    const names = readFileSync(join(dir, 'env'), 'utf8')
      .split('\n')
      .map((l) => l.split('=')[0]);
    expect(names).toContain('NOTIFY_SOCKET');
    expect(names.filter((n) => n?.startsWith('LISTEN_') || n?.startsWith('DECKHAND_'))).toEqual([]);
  } finally {
    delete process.env.LISTEN_FDS;
    rmSync(dir, { recursive: true, force: true });
  }
});
