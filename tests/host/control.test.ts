/** Who we are among containers, and who answers behind a port. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { controlHost } from '../../src/host/control.ts';

const rules = { allow: [], protect: [], mountRoots: [] };
const a = 'a'.repeat(64);
const b = 'b'.repeat(64);
const made: (() => void)[] = [];
afterEach(() => {
  for (const undo of made.splice(0)) undo();
});

function selfOf(cgroup: string, mountinfo: string): readonly string[] {
  const proc = mkdtempSync(join(tmpdir(), 'deckhand-proc-'));
  made.push(() => rmSync(proc, { recursive: true }));
  mkdirSync(join(proc, 'self'));
  writeFileSync(join(proc, 'self/cgroup'), cgroup);
  writeFileSync(join(proc, 'self/mountinfo'), mountinfo);
  return controlHost(rules, { inContainer: false, proc })
    .self()
    .ids.filter((id) => id !== hostname());
}

describe('ourselves among containers', () => {
  it.each([
    ['cgroup v1', `12:memory:/docker/${a}\n1:name=systemd:/docker/${a}`, '', [a]],
    ['v2, the host’s view', `0::/system.slice/docker-${a}.scope`, '', [a]],
    ['an engine within an engine: the inner one', `0::/docker/${b}/docker/${a}`, '', [a]],
    [
      'v2, its own view: by what the engine has mounted',
      '0::/',
      `700 600 0:50 / / rw - overlay overlay rw\n701 700 8:1 /var/lib/docker/containers/${a}/hostname /etc/hostname rw - ext4 /dev/sda1 rw`,
      [a],
    ],
    [
      'Podman',
      '0::/',
      `701 700 0:30 /containers/overlay-containers/${a}/userdata/hosts /etc/hosts rw - tmpfs tmpfs rw`,
      [a],
    ],
    [
      'on a host: mounts of others are not ours',
      '0::/user.slice',
      `9 1 8:1 /x/${a} /var/lib/docker/containers/${a}/mounts/shm rw - tmpfs shm rw`,
      [],
    ],
    ['nothing to be read', '', '', []],
  ])('%s', (_what, cgroup, mountinfo, ids) => {
    expect(selfOf(cgroup, mountinfo)).toEqual(ids);
  });
});

describe('a knock', () => {
  const listen = async (on: (s: Socket) => void): Promise<number> => {
    const server: Server = createServer((s) => {
      s.on('error', () => {});
      on(s);
    });
    made.push(() => server.close());
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    return (server.address() as { port: number }).port;
  };
  const knock = (port: number, signal?: AbortSignal) =>
    controlHost(rules, { inContainer: false }).knock({ host: '127.0.0.1', port }, signal ? { signal } : {});

  it('held, greeted, dropped at once as by an engine’s proxy, refused', async () => {
    const held: Socket[] = [];
    expect(await knock(await listen((s) => void held.push(s)))).toBe('open');
    for (const s of held) s.destroy();
    expect(await knock(await listen((s) => void s.write('220 hello\r\n')))).toBe('open');
    expect(await knock(await listen((s) => void s.end()))).toBe('closed');
    // Reset: before or after the connection was told of.
    expect(await knock(await listen((s) => void s.resetAndDestroy()))).toMatch(/^(?:closed|refused)$/);
    const port = await listen(() => {});
    made.splice(-1)[0]?.();
    expect(await knock(port)).toBe('refused');
  });

  it('a caller who leaves is not waited for', async () => {
    const port = await listen(() => {});
    await expect(knock(port, AbortSignal.abort(new Error('left')))).rejects.toThrow('left');
  });
});
