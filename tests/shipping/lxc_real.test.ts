/**
 * lxc/create.sh to its end: the node's tools are stand-ins, but its `pct` makes real, unprivileged containers of Debian 13, with systemd in them, and
 * the release is a real one. What it prints for a client is what the client is started with. Loud when it is skipped.
 */
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { overHttp } from '../e2e/product.ts';
import { cgroups, command, removeGroup } from '../image/engine.ts';
import { bareRootfs, lacking } from './debian.ts';
import { type Node, node } from './pve/node.ts';
import { released, VERSION, writeReleases } from './releases.ts';

const real = process.env.DECKHAND_REAL === '1';
const missing = real ? lacking() : [];
if (!real) process.stderr.write('SKIPPED tests/shipping/lxc_real: needs DECKHAND_REAL=1, root, debootstrap and lxc.\n');
if (missing.length > 0) throw new Error(`DECKHAND_REAL=1, but this machine lacks: ${missing.join(', ')}`);

/** A network for documentation: nothing else here has it. */
const HERE = '198.51.100.5';
const THERE = '198.51.100.6';

describe.runIf(real)('a container on a node', { timeout: 240_000 }, () => {
  let n: Node;
  let link: string;
  const groups = () =>
    ['payload', 'monitor'].flatMap((kind) => cgroups(`lxc.${kind}.pve-102-${basename(n.dir).toLowerCase()}`));
  const left = () => [
    ...(existsSync(`/sys/class/net/${link}`) ? [link] : []),
    ...readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((l) => l.includes(n.dir)),
    ...groups(),
  ];
  const pct = (...args: string[]) => command(join(n.dir, 'bin/pct'), args, {}, 60_000);
  const settings = {
    var_net: `${THERE}/30`,
    var_gateway: HERE,
    var_hostname: 'ops',
    var_tun: existsSync('/dev/net/tun') ? 'yes' : 'no',
    var_allow: 'ping',
    var_ssh_key: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl alice@laptop',
    var_ram: '1024',
  };

  beforeAll(async () => {
    n = node();
    link = `pve${process.pid}`.slice(0, 15);
    n.set('rootfs', await bareRootfs('trixie'));
    n.set('link', `${link}\n`);
    // The stand-in goes on checking and writing down; what calls it does it for real.
    mkdirSync(join(n.dir, 'stub'));
    cpSync(join(import.meta.dirname, 'pve/stub.sh'), join(n.dir, 'stub/pct'));
    rmSync(join(n.dir, 'bin/pct'));
    cpSync(join(import.meta.dirname, 'pve/real_pct.sh'), join(n.dir, 'bin/pct'));
    rmSync(join(n.dir, 'bin/sleep'));
    symlinkSync('/bin/sleep', join(n.dir, 'bin/sleep'));
    // Root of the container has to get to its own file system.
    chmodSync(n.dir, 0o755);
    rmSync(n.release);
    writeReleases(n.dir, { [VERSION]: await released() });
  }, 300_000);

  afterAll(async () => {
    await pct('destroy', '102', '--force', '1');
    for (let i = 0; i < 50 && groups().length > 0; i++) {
      for (const group of groups()) removeGroup(group);
      await new Promise((r) => setTimeout(r, 100));
    }
    const there = left();
    n[Symbol.dispose]();
    expect(there).toEqual([]);
  }, 60_000);

  test('from a release to a first answer: by the line that it prints, and by the URL with the token', async () => {
    const { code, out, err } = await n.run([], settings);
    expect(code, `${out}${err}`).toBe(0);
    expect(out).toContain(`claude mcp add ops -- ssh root@${THERE} deckhand stdio`);
    const token = /Bearer (dh_[\w.-]+)/.exec(out)?.[1] ?? '';
    expect(token).not.toBe('');

    // As ssh, or pct exec by way of the node, would start it.
    const client = new Client({ name: 'real', version: '1' });
    await client.connect(
      new StdioClientTransport({
        command: join(n.dir, 'bin/pct'),
        args: ['exec', '102', '--', '/usr/local/bin/deckhand', 'stdio'],
      }),
    );
    const seen = await client.callTool({ name: 'system_overview', arguments: {} });
    await client.close();
    expect(seen.isError ?? false).toBe(false);
    expect(seen.structuredContent).toMatchObject({ host: { hostname: 'ops', container: true, virtualisation: 'lxc' } });

    // Inside, where it listens: as the ssh tunnel ends there.
    const pid = (await pct('pid', '102')).out.trim();
    const call = `import { overHttp } from ${JSON.stringify(join(import.meta.dirname, '../e2e/product.ts'))};
      const client = await overHttp('2026-07-28', 'http://127.0.0.1:7070/mcp', ${JSON.stringify(token)});
      const answer = await client.callTool({ name: 'system_overview', arguments: {} });
      console.log(JSON.stringify(answer.structuredContent.host)); process.exit();`;
    const enter = ['-t', pid, '-n', '--', process.execPath, '--input-type=module', '-e', call];
    const by = await command('nsenter', enter, {}, 60_000);
    expect(JSON.parse(by.out || by.err)).toMatchObject({ hostname: 'ops', virtualisation: 'lxc' });
    // From outside nobody: it is the container's own loopback.
    await expect(overHttp('2026-07-28', `http://${THERE}:7070/mcp`, token)).rejects.toThrow();

    expect(readFileSync(`/proc/${pid}/uid_map`, 'utf8').trim()).toMatch(/^0\s+100000\s+65536$/);
    const files = (await pct('exec', '102', '--', 'ls', '-A', '/root')).out;
    expect(files).not.toMatch(/deckhand|install/);
    const unit = (
      await pct('exec', '102', '--', 'systemctl', 'show', 'deckhand', '-p', 'ActiveState,User,NoNewPrivileges')
    ).out;
    expect(unit.trim().split('\n').sort()).toEqual(['ActiveState=active', 'NoNewPrivileges=yes', 'User=deckhand']);
    if (settings.var_tun === 'yes') expect((await pct('exec', '102', '--', 'test', '-c', '/dev/net/tun')).code).toBe(0);
  });

  test('--update with the same release goes through, and it still answers; a step that fails takes only its own away', async () => {
    const { code, out, err } = await n.run(['--update', '102']);
    expect(code, `${out}${err}`).toBe(0);
    expect(out).toContain(`Deckhand in 102 is ${VERSION}`);
    expect((await pct('exec', '102', '--', '/usr/local/bin/deckhand', 'service', 'status')).code).toBe(0);

    n.set('fail', '^pct start');
    const failed = await n.run([], { ...settings, var_ctid: '103' });
    expect(failed.code).toBe(1);
    expect(readdirSync(join(n.dir, 'lxc')).map((name) => name.split('-')[1])).toEqual(['102']);
  });
});
