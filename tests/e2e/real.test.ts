/** What needs root: a full disk under the state, a FUSE mount stopped in its tracks. In mount namespaces of their own. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { describe, expect, test } from 'vitest';
import { readKey } from '../../src/store/audit_key.ts';
import { launcher, place } from './product.ts';

const real = process.env.DECKHAND_REAL === '1';
const able = real && process.geteuid?.() === 0;
const has = (cmd: string) => spawnSync('sh', ['-c', `command -v ${cmd}`]).status === 0;
const fuse = able && has('bindfs') && existsSync('/dev/fuse');
if (!able) process.stderr.write('SKIPPED tests/e2e/real: needs DECKHAND_REAL=1 and root.\n');
else if (!fuse) process.stderr.write('SKIPPED the hung mount: needs bindfs and /dev/fuse.\n');
if (process.env.CI === 'true' && real && !fuse)
  throw new Error('CI must run the real parts: install bindfs, run as root.');

/** `deckhand stdio` inside a mount namespace that `script` has prepared. */
async function inside(script: string, env: Record<string, string>) {
  const transport = new StdioClientTransport({
    command: 'unshare',
    args: ['-m', 'sh', '-ec', `mount --make-rprivate /\n${script}\nexec "$NODE" "$LAUNCHER" stdio`],
    env: { ...env, NODE: process.execPath, LAUNCHER: launcher },
    stderr: 'pipe',
  });
  const client = new Client({ name: 'real', version: '1' }, { versionNegotiation: { mode: 'legacy' } } as never);
  await client.connect(transport);
  return { client, pid: transport.pid ?? 0 };
}
const overview = async (client: Client) => {
  const t = performance.now();
  const answer = await client.callTool({ name: 'system_overview', arguments: {} });
  return {
    ms: performance.now() - t,
    failed: answer.isError === true,
    data: answer.structuredContent as never as Overview,
  };
};
interface Overview {
  filesystems: { mount: string; totalBytes: number | null }[];
  findings: { id: string; severity: string }[];
}

describe.skipIf(!able)('state on a full 1 MiB tmpfs', () => {
  test('it starts, answers, and recovers without a restart when room is made', async () => {
    using at = place();
    const dir = join(at.dir, 'tmpfs');
    mkdirSync(dir);
    const full = `mount -t tmpfs -o size=1m,mode=0700 tmpfs "${dir}"\ndd if=/dev/zero of="${dir}/ballast" bs=4k 2>/dev/null || true\nmkdir -m 700 "${dir}/state" || true`;
    const { client, pid } = await inside(full, { ...at.env, DECKHAND_STATE_DIR: join(dir, 'state') });
    const enter = (script: string) =>
      spawnSync('nsenter', ['-t', String(pid), '-m', 'sh', '-c', script], { encoding: 'utf8' }).stdout;
    expect(enter(`df --output=avail "${dir}" | tail -1`).trim()).toBe('0');
    expect((await overview(client)).failed).toBe(false);
    expect(enter(`ls "${dir}/state/audit" 2>/dev/null | grep -c jsonl`).trim()).toBe('0');

    enter(`rm "${dir}/ballast"`);
    await expect
      .poll(
        async () => {
          await overview(client);
          return enter(`cat "${dir}"/state/audit/*Z-*.jsonl 2>/dev/null`);
        },
        { timeout: 15_000, interval: 300 },
      )
      .toContain('"event":"call"');
    const lines = enter(`cat "${dir}"/state/audit/*Z-*.jsonl`).trim().split('\n');
    expect(lines.some((l) => l.includes('"event":"gap"'))).toBe(true);
    // What waited was written too: the start and the call of the time without room.
    expect(lines.some((l) => l.includes('"event":"start"'))).toBe(true);
    const kept = await client.callTool({ name: 'process_list', arguments: { limit: 1 } });
    const { handle } = (kept.structuredContent as { more: { handle: string } }).more;
    expect((await client.callTool({ name: 'result_query', arguments: { handle } })).isError ?? false).toBe(false);
    await client.close();
  });
});

describe.skipIf(!fuse)('a FUSE mount stopped in its tracks', () => {
  test('the overview comes within its budget, says so, and sees the mount again when it answers', async () => {
    using at = place();
    const [a, b] = ['a', 'b'].map((n) => join(at.dir, n)) as [string, string];
    mkdirSync(a);
    mkdirSync(b);
    const pidFile = join(at.dir, 'pid');
    const script = `bindfs -f "${a}" "${b}" & echo $! > "${pidFile}"\nuntil grep -q " ${b} fuse" /proc/self/mounts; do :; done`;
    const { client, pid } = await inside(script, at.env);
    const server = Number(readFileSync(pidFile, 'utf8'));
    const mountOf = (o: Overview) => o.filesystems.find((f) => f.mount === b);
    expect(mountOf((await overview(client)).data)?.totalBytes).toBeGreaterThan(0);
    process.kill(server, 'SIGSTOP');
    try {
      const stuck = await overview(client);
      expect(stuck.failed).toBe(false);
      expect(stuck.ms).toBeLessThan(3_000);
      expect(stuck.data.filesystems.some((f) => f.mount === '/' && f.totalBytes)).toBe(true);
      expect(mountOf(stuck.data)?.totalBytes ?? null).toBeNull();
      expect(JSON.stringify(stuck.data)).toContain('does not answer');
      expect(stuck.data.findings.find((f) => JSON.stringify(f).includes(b))?.severity).toBe('high');
      const second = await overview(client);
      expect(second.ms).toBeLessThan(1_500);
      // Control: the naive way waits for as long as the mount does.
      const naive = spawn('nsenter', [
        '-t',
        String(pid),
        '-m',
        process.execPath,
        '-e',
        `fs.statfsSync(${JSON.stringify(b)});console.log('done')`,
      ]);
      let done = false;
      naive.stdout.on('data', () => {
        done = true;
      });
      await overview(client);
      expect(done).toBe(false);
      naive.kill('SIGKILL');
    } finally {
      process.kill(server, 'SIGCONT');
    }
    await expect
      .poll(async () => mountOf((await overview(client)).data)?.totalBytes ?? 0, { timeout: 60_000, interval: 1_000 })
      .toBeGreaterThan(0);
    await client.close();
  }, 90_000);
});

test('the key of the audit is refused when others can read it', () => {
  using at = place();
  const path = join(at.dir, 'key');
  spawnSync('sh', ['-c', `umask 022; head -c 32 /dev/zero | od -An -tx1 | tr -d ' \\n' > "${path}"`]);
  expect(() => readKey(path)).toThrow(/open to others/);
});
