/** Ten thousand sockets in a namespace of their own: what reading them costs beside `ss`, which asks the kernel over netlink. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const MANY = fileURLToPath(new URL('many.ts', import.meta.url));

export interface SocketsSoak {
  matched: number;
  ms: Record<'ss' | 'ssWithProcesses' | 'read' | 'byState' | 'byPeer' | 'byProcess', number>;
}

export async function socketsSoak(connections: number, rounds: number): Promise<SocketsSoak> {
  const at = mkdtempSync(join(tmpdir(), 'deckhand-sockets-'));
  const script = `set -e
mount -t proc proc /proc
ip link set lo up
"$NODE" "$MANY" hold ${connections} > "$AT/held" &
until grep -q held "$AT/held"; do sleep 0.1; done
"$NODE" "$MANY" measure ${rounds}`;
  try {
    const { stdout } = await promisify(execFile)(
      'unshare',
      ['-n', '-m', '-p', '--fork', '--kill-child', 'bash', '-c', script],
      {
        timeout: 180_000,
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', NODE: process.execPath, MANY, AT: at },
      },
    );
    return JSON.parse(stdout) as SocketsSoak;
  } finally {
    rmSync(at, { recursive: true, force: true });
  }
}
