/** Runs inside the namespaces, or as the user, that signal_real.test.ts has prepared, and prints what it saw as JSON. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createHost } from '../../src/host/index.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };
const host = createHost({ log, exec: async () => ({ code: 1, stdout: '', stderr: '' }) });
const pause = () => new Promise((resolve) => setTimeout(resolve, 20));
const comm = (pid: number): string | null => {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return null;
  }
};
const failure = (thrown: unknown) => {
  const { code, message } = thrown as { code: string; message: string };
  return { code, message };
};
const tried = async (what: () => unknown) => {
  try {
    await what();
    return null;
  } catch (thrown) {
    return failure(thrown);
  }
};
/** A child of a shell that has ended: not ours. */
const orphan = (script: string): number =>
  Number(spawnSync('sh', ['-c', `${script} </dev/null >/dev/null 2>&1 & echo $!`], { encoding: 'utf8' }).stdout.trim());
const until = async (done: () => boolean) => {
  for (let left = 500; left > 0 && !done(); left--) await pause();
  if (!done()) throw new Error('it did not come to pass within ten seconds');
};

const roles: Record<string, (...args: string[]) => Promise<unknown>> = {
  /** A pid is given to a second process, by force. */
  async reuse() {
    const pid = orphan('sleep 61');
    await until(() => comm(pid) === 'sleep');
    const first = await host.signals.subject(pid);
    if (!first) throw new Error('no first process');
    process.kill(pid, 'SIGKILL');
    await until(() => comm(pid) === null);
    let second = 0;
    for (let tries = 0; tries < 200 && second !== pid; tries++) {
      if (second) process.kill(second, 'SIGKILL');
      // The shell takes the next number, its child the one after it.
      writeFileSync('/proc/sys/kernel/ns_last_pid', String(pid - 2));
      second = orphan('sleep 62');
    }
    await until(() => comm(second) === 'sleep');
    const refused = await tried(() => host.signals.send(first, 'TERM'));
    const lives = comm(second) === 'sleep' && (await host.signals.subject(second))?.state !== 'Z';
    // Control: who has only the pid hits the second, which nobody meant.
    process.kill(pid, 'SIGTERM');
    await until(() => comm(second) === null || readFileSync(`/proc/${second}/stat`, 'utf8').includes(') Z '));
    return { reused: second === pid, refused, lives, naive: 'hit' };
  },

  /** In a pid namespace of its own that still sees the /proc of the one above. */
  async astray() {
    const pid = orphan('sleep 63');
    const seen = comm(pid);
    const refused = await tried(() => host.signals.subject(pid));
    const sent = await tried(() => host.signals.send({ pid, startTicks: 1, name: seen ?? '' }, 'TERM'));
    // Control: kill(2) takes the number for ours, whatever /proc says has it.
    const naive = await tried(() => process.kill(pid, 'SIGKILL'));
    return { seen, refused, sent, naive };
  },

  /** As a user who may not. */
  async stranger(pid) {
    const subject = await host.signals.subject(Number(pid));
    return { name: subject?.name, refused: await tried(() => subject && host.signals.send(subject, 'TERM')) };
  },
};

const [role = '', ...args] = process.argv.slice(2);
process.stdout.write(JSON.stringify(await roles[role]?.(...args)));
host.close();
