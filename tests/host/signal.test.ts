/** Real signals to real processes: what is hit, what is not, and what is said. No root; what needs it is in signal_real.test.ts. */
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { ToolContext } from '../../src/core/call.ts';
import type { ProcessId } from '../../src/core/host.ts';
import type { ChangeContext } from '../../src/core/tool.ts';
import { createHost } from '../../src/host/index.ts';
import { cgroupOf } from '../../src/host/system/cgroup.ts';
import { KeptFiles, rootAt } from '../../src/host/system/files.ts';
import type { Facts } from '../../src/host/system/identity.ts';
import { signalHost } from '../../src/host/system/signal.ts';
import { processSignal } from '../../src/tools/process_signal.ts';
import { context } from '../tools/context.ts';
import { quietLog } from './contract.ts';
import { type Orphans, orphans, stat } from './orphans.ts';

const host = createHost({
  log: quietLog,
  exec: async () => ({ code: 1, stdout: '', stderr: '' }),
  protect: ['owners-*'],
});
afterAll(() => host.close());

let wild: Orphans;
beforeEach(() => {
  const made = orphans();
  wild = made;
  onTestFinished(() => made[Symbol.dispose]());
});

interface Answer {
  summary: string;
  before: Record<string, unknown>;
  after: { state: string; waitedMs: number; kernelState?: string };
}

/** Preview and apply, as the door does them. */
async function signal(args: Record<string, unknown>, on = host, log: string[] = []): Promise<Answer> {
  const input = processSignal.input.parse(args);
  const ctx: ToolContext = context({}, { host: on, now: Date.now });
  await processSignal.change?.preview(input, ctx);
  const changing = { ...ctx, commit: () => void log.push('commit') } as ChangeContext;
  return (await processSignal.change?.apply(input, changing)) as unknown as Answer;
}
const preview = async (args: Record<string, unknown>) =>
  processSignal.change?.preview(processSignal.input.parse(args), context({}, { host, now: Date.now }));

/** Waits until the script has become what the test needs, and names it as process_list would. */
async function named(pid: number, name: string, ready: () => boolean = () => true) {
  await vi.waitFor(() => expect([stat(pid)?.name, ready()]).toEqual([name, true]), { timeout: 10_000, interval: 10 });
  return { pid, start: stat(pid)?.start ?? -1, name };
}
const sleeper = async (before = '') => named(wild.start(`${before} exec sleep 60`), 'sleep');
/** `stat` says X or nothing, or Z until init gets round to it. */
const gone = (pid: number) => ['Z', 'X', undefined].includes(stat(pid)?.state);
const masks = async (pid: number) => (await host.signals.subject(pid))?.masks;

describe('a process is sent a signal', () => {
  test('TERM ends a sleep, and the answer says after how long', async () => {
    const it = await sleeper();
    const log: string[] = [];
    const { summary, before, after } = await signal(it, host, log);
    expect(summary).toMatch(new RegExp(`^sleep \\(${it.pid}\\) ended \\d+ ms after TERM`));
    expect(after.state).toMatch(/^(ended|zombie)$/);
    expect(before).toMatchObject({
      process: `sleep (${it.pid})`,
      start: it.start,
      command: 'sleep 60',
      TERM: 'default',
    });
    expect(gone(it.pid)).toBe(true);
    expect(log).toEqual(['commit']);
  });

  test('the list, the preview and the kernel agree on who it is', async () => {
    const it = await sleeper();
    const row = (await host.system.processes()).processes.find((p) => p.pid === it.pid);
    expect([row?.name, row?.startTicks]).toEqual([it.name, it.start]);
    const first = await preview(it);
    expect(first?.summary).toMatch(
      /^Send TERM to sleep \(\d+\) of \S+, .+ old\. It has no handler for TERM, so the kernel ends it\./,
    );
    expect((await preview(it))?.digest).toBe(first?.digest);
    expect((await preview({ ...it, signal: 'KILL' }))?.summary).toContain('cannot save or clean up');
    expect(stat(it.pid)?.state).toBe('S');
  });

  test('one that ignores TERM still runs, and why is said; KILL ends it', async () => {
    const it = await sleeper("trap '' TERM;");
    const { summary, after } = await signal({ ...it, grace_s: 0 });
    expect(after).toMatchObject({ state: 'running' });
    expect(summary).toContain('still runs 0 ms after TERM: it ignores TERM.');
    expect(summary).toContain('KILL would end it');
    expect((await signal({ ...it, signal: 'KILL' })).summary).toMatch(/ended \d+ ms after KILL/);
    expect(gone(it.pid)).toBe(true);
  });

  test('one that holds TERM back', async (t) => {
    if (spawnSync('env', ['--block-signal=TERM', 'true']).status !== 0)
      return t.skip('this env(1) cannot block signals');
    const it = await sleeper("exec env --block-signal=TERM sh -c 'exec sleep 60';");
    expect((await signal({ ...it, grace_s: 0 })).summary).toContain('it holds TERM back');
  });

  test('one that handles TERM and goes on, and one that handles it and ends', async () => {
    const stays = await named(
      wild.start("trap 'echo x >> got' TERM; echo > ready; while :; do sleep 0.05; done"),
      'sh',
      () => readdirSync(wild.dir).includes('ready'),
    );
    expect((await signal({ ...stays, grace_s: 1 })).summary).toMatch(
      /still runs 1 s after TERM: it handles TERM itself/,
    );
    expect(readdirSync(wild.dir)).toContain('got');
    const ends = await named(wild.start("trap 'exit 0' TERM; echo > second; while :; do sleep 0.05; done"), 'sh', () =>
      readdirSync(wild.dir).includes('second'),
    );
    expect((await preview(ends))?.summary).toContain('It handles TERM itself');
    expect((await signal(ends)).after.state).toMatch(/ended|zombie/);
  });

  test('STOP and CONT: stopped, TERM then waits, and goes through with CONT', async () => {
    const it = await sleeper();
    expect(await signal({ ...it, signal: 'STOP' })).toMatchObject({
      summary: `sleep (${it.pid}) is stopped; CONT lets it go on.`,
      after: { state: 'stopped', kernelState: 'T' },
    });
    expect(stat(it.pid)?.state).toBe('T');
    const waits = await signal({ ...it, grace_s: 0 });
    expect(waits.after.state).toBe('stopped');
    expect(waits.summary).toContain('takes TERM only after CONT. Send CONT, and it ends.');
    expect((await masks(it.pid))?.pending).toBe(1 << 14);
    await signal({ ...it, signal: 'CONT' });
    await vi.waitFor(() => expect(gone(it.pid)).toBe(true), { timeout: 5_000, interval: 10 });
    const other = await sleeper();
    await signal({ ...other, signal: 'STOP' });
    expect((await signal({ ...other, signal: 'CONT' })).summary).toBe(`sleep (${other.pid}) goes on.`);
  });

  test('HUP without a handler ends it, as the preview says; with one it runs on', async () => {
    const it = await sleeper();
    expect((await preview({ ...it, signal: 'HUP' }))?.summary).toContain('no handler for HUP, so the kernel ends it');
    expect((await signal({ ...it, signal: 'HUP' })).summary).toMatch(/ended \d+ ms after HUP/);
    const ignores = await sleeper("trap '' HUP;");
    expect((await signal({ ...ignores, signal: 'HUP' })).summary).toBe(
      `HUP was sent to sleep (${ignores.pid}), which ignores it and still runs.`,
    );
  });

  test('Node names its main thread: the name shown is the program’s, and it is the one to give', async () => {
    const script = `exec ${process.execPath} -e 'process.on("SIGUSR2",()=>{});require("fs").writeFileSync("up","");setTimeout(()=>{},60000)'`;
    const pid = wild.start(script);
    await vi.waitFor(() => expect(readdirSync(wild.dir)).toContain('up'), { timeout: 10_000, interval: 20 });
    const name = (await host.signals.subject(pid))?.name ?? '';
    expect((await host.system.processes()).processes.find((p) => p.pid === pid)?.name).toBe(name);
    const it = { pid, start: stat(pid)?.start, name };
    expect((await signal({ ...it, signal: 'USR2' })).summary).toMatch(
      /^USR2 was sent to \S+ \(\d+\), which still runs\.$/,
    );
    expect((await signal(it)).after.state).toMatch(/ended|zombie/);
  });

  test('a child that is left behind as a zombie is an end, and says whose it is to collect', async () => {
    const parent = wild.start('sleep 60 & echo $! > child; exec sleep 61');
    await named(parent, 'sleep', () => readdirSync(wild.dir).includes('child'));
    const child = (await host.system.processes()).processes.find((p) => p.ppid === parent)?.pid ?? 0;
    const it = await named(child, 'sleep');
    const { summary, after } = await signal(it);
    expect(after).toMatchObject({ state: 'zombie', kernelState: 'Z' });
    expect(summary).toContain(`(zombie) until its parent, sleep (${parent}), collects it`);
    // And now that it is one, nothing more can be done to it.
    await expect(signal({ ...it, signal: 'KILL' })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('has ended already'),
      details: { hint: expect.stringContaining(`sleep (${parent})`) },
    });
  });
});

describe('another process is never hit', () => {
  test('a pid with another start is another process: its name and age are told, and it lives', async () => {
    const it = await sleeper();
    await expect(signal({ ...it, start: it.start - 1 })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/^The pid \d+ is another process now: sleep \(\d+\), .+ old, start \d+\.$/),
      details: { hint: expect.stringContaining('process_list') },
    });
    expect(stat(it.pid)?.state).toBe('S');
    // Control: the naive way knows nothing of it.
    process.kill(it.pid, 'SIGTERM');
    await vi.waitFor(() => expect(gone(it.pid)).toBe(true), { timeout: 5_000, interval: 10 });
  });

  test('a process that has become another program (exec) keeps pid and start, and is refused by its name', async () => {
    const pid = wild.start('while [ ! -e go ]; do sleep 0.02; done; exec sleep 60');
    const before = await named(pid, 'sh');
    expect((await preview(before))?.summary).toContain('Send TERM to sh');
    writeFileSync(join(wild.dir, 'go'), '');
    const now = await named(pid, 'sleep');
    expect(now.start).toBe(before.start);
    await expect(signal(before)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('is not named "sh"'),
    });
    expect(() => host.signals.send({ pid, startTicks: now.start, name: 'sh' }, 'TERM')).toThrow(/not the sh any more/);
    expect(stat(pid)?.state).toBe('S');
  });

  test('one that has gone is not found, before and at the last moment', async () => {
    const it = await sleeper();
    await signal({ ...it, signal: 'KILL' });
    await vi.waitFor(() => expect(stat(it.pid)).toBeNull(), { timeout: 5_000, interval: 10 });
    await expect(signal(it)).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringContaining('sleep has ended'),
    });
    const late: ProcessId & { name: string } = { pid: it.pid, startTicks: it.start, name: 'sleep' };
    expect(() => host.signals.send(late, 'TERM')).toThrow(/no process \d+ any more/);
    for (const pid of [0, -1, -process.pid])
      expect(() => host.signals.send({ ...late, pid }, 'TERM')).toThrow(/no process/);
  });

  test('the number of a thread is refused: kill(2) takes it, and hits its process', async () => {
    const tid =
      readdirSync('/proc/self/task')
        .map(Number)
        .find((n) => n !== process.pid) ?? 0;
    await expect(host.signals.subject(tid)).rejects.toMatchObject({
      code: 'validation',
      message: `${tid} is a thread of process ${process.pid}, not a process.`,
    });
    expect(() => process.kill(tid, 0)).not.toThrow(); // control
  });
});

describe('what holds up the host is protected, from CONT to KILL', () => {
  const refused = async (pid: number, why: RegExp) => {
    const subject = await host.signals.subject(pid);
    expect(subject?.protected).toMatch(why);
    for (const s of ['CONT', 'TERM', 'KILL'] as const) {
      const it = { pid, start: subject?.startTicks, name: subject?.name, signal: s };
      await expect(signal(it)).rejects.toMatchObject({ code: 'permission', message: expect.stringMatching(why) });
      // And below the tool: whoever asks the host itself is refused too.
      expect(() => host.signals.send({ ...(subject as ProcessId & { name: string }) }, s)).toThrow(why);
    }
  };

  test('the first process, ourselves, our parent, our child', async () => {
    await refused(1, /first process/);
    await refused(process.pid, /this server itself/);
    await refused(process.ppid, /this server was started by it/);
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    try {
      await named(child.pid ?? 0, 'sleep');
      await refused(child.pid ?? 0, /this server started it/);
    } finally {
      child.kill('SIGKILL');
    }
  });

  test('threads of the kernel, where they are to be seen', async (t) => {
    const one = (await host.system.processes()).processes.find((p) => p.kernel);
    if (!one) return t.skip('this kernel shows none here (a container)');
    await refused(one.pid, /thread of the kernel/);
  });

  test('sshd by its name, and what the owner named', async () => {
    for (const [file, why] of [
      ['sshd', /way into this host/],
      ['owners-db', /processes\.protect` has owners-\*/],
    ] as const) {
      copyFileSync('/bin/sleep', join(wild.dir, file));
      const pid = wild.start(`chmod +x ${file}; exec ./${file} 60`);
      await named(pid, file);
      await refused(pid, why);
    }
  });

  test('another Deckhand: by its program, or by a file of our state that it has open', async () => {
    // Node names its main thread anew once it runs: the process is who it will be when the program says so.
    const program = "import { writeFileSync } from 'node:fs'; writeFileSync('runs', ''); setTimeout(() => {}, 60_000);";
    writeFileSync(join(wild.dir, 'deckhand.mjs'), program);
    const pid = wild.start(`exec ${process.execPath} ${join(wild.dir, 'deckhand.mjs')} stdio`);
    await vi.waitFor(() => expect(existsSync(join(wild.dir, 'runs'))).toBe(true), { timeout: 10_000 });
    await refused(pid, /a Deckhand too/);
    mkdirSync(join(wild.dir, 'state'));
    const sharing = createHost({ log: quietLog, stateDir: join(wild.dir, 'state') });
    try {
      const held = await named(wild.start('exec sleep 60 3>state/deckhand.db'), 'sleep');
      expect((await sharing.signals.subject(held.pid))?.protected).toMatch(/a Deckhand too/);
      expect((await host.signals.subject(held.pid))?.protected).toBeNull();
    } finally {
      sharing.close();
    }
  });
});

describe('where a signal cannot go', () => {
  test('another root: those pids are not ours', async () => {
    const other = createHost({ log: quietLog, procRoot: fileURLToPath(new URL('../fixtures/vm', import.meta.url)) });
    try {
      const asked = other.signals.subject(700);
      await expect(asked).rejects.toMatchObject({
        code: 'unavailable',
        details: { hint: expect.stringContaining('on the host itself') },
      });
      await expect(asked).rejects.toThrow(/host\.root/);
      expect(() => other.signals.send({ pid: 700, startTicks: 1, name: 'x' }, 'CONT')).toThrow(
        /cannot be sent from here/,
      );
    } finally {
      other.close();
    }
  });

  const root = rootAt('/');
  const facts = { cgroup: cgroupOf(root, new KeptFiles(root), []), kernelBootMs: 0 } as unknown as Facts;
  const failing = (code: string) =>
    signalHost(
      root,
      facts,
      { now: Date.now, monotonic: () => 0, tickMs: 10 },
      {
        exec: async () => ({ code: 0, stdout: '', stderr: '' }),
        has: () => false,
        protect: [],
        stateDir: null,
        kill() {
          throw Object.assign(new Error(`kill ${code}`), { code });
        },
      },
    );

  test('no right to: whose process it is, as whom we run, and what its owner can do', async () => {
    const it = await sleeper();
    const to = { pid: it.pid, startTicks: it.start, name: 'sleep' };
    expect(() => failing('EPERM').send(to, 'TERM')).toThrow(
      new RegExp(`^sleep \\(${it.pid}\\) belongs to \\S+.*, and Deckhand runs as uid ${process.getuid?.()}\\.$`),
    );
    expect(() => failing('ESRCH').send(to, 'TERM')).toThrow(/no process/);
    expect(() => failing('EINVAL').send(to, 'TERM')).toThrow('kill EINVAL');
  });

  test('a process that hidepid hides is told from one that is not there', async () => {
    const absent = 4_190_001;
    await expect(failing('EPERM').subject(absent)).rejects.toMatchObject({
      code: 'permission',
      message: expect.stringContaining('hidden'),
    });
    expect(await failing('ESRCH').subject(absent)).toBeNull();
  });

  test('waiting: soon at first, then ten times a second, not beyond its time, and no longer than its caller', async () => {
    const it = await sleeper();
    let t = 0;
    const naps: number[] = [];
    const waiting = signalHost(
      root,
      facts,
      { now: Date.now, monotonic: () => t, tickMs: 10 },
      {
        exec: async () => ({ code: 0, stdout: '', stderr: '' }),
        has: () => false,
        protect: [],
        stateDir: null,
        async pause(ms) {
          naps.push(ms);
          t += ms;
        },
      },
    );
    const id = { pid: it.pid, startTicks: it.start };
    const ticks: number[] = [];
    const { standing, waitedMs } = await waiting.settle(id, {
      withinMs: 5_000,
      done: (s) => s === null,
      tick: (ms) => void ticks.push(ms),
    });
    // Asleep, or just being put to run: either way it is there.
    expect(standing?.state).toMatch(/^[RSD]$/);
    expect(waitedMs).toBe(5_000);
    expect(naps[0]).toBe(5);
    expect(Math.max(...naps)).toBe(100);
    expect(ticks).toHaveLength(naps.length);
    expect(
      (await waiting.settle({ ...id, startTicks: 1 }, { withinMs: 0, done: (s) => s === null })).standing,
    ).toBeNull();
    const left = AbortSignal.abort(new Error('left'));
    await expect(waiting.settle(id, { withinMs: 100, done: () => false, signal: left })).rejects.toThrow('left');
  });

  test('what else is known of it: children, parent, boot', async () => {
    const it = await sleeper();
    expect(await host.signals.subject(it.pid)).toMatchObject({
      children: 0,
      first: false,
      parent: expect.any(String),
      boot: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });
});
