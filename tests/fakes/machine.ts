/**
 * A machine made of a fixture, seen through the real readers, tools and door. Its folder is a copy, because the fixture's
 * `later/` holds the same counters five seconds on: `later()` lays them over, and every rate is then exact.
 */
import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';
import type { Filesystem, ProcessList, Snapshot } from '../../src/core/host.ts';
import { createHost, type OpenHost } from '../../src/host/index.ts';
import { catalog } from '../../src/tools/index.ts';
import { fakeClock } from './clock.ts';
import { callOf, quiet, type Rig, reader, rig } from './policy.ts';

/** A Sunday in winter time. Fixtures carry uptimes, so that their boot falls where it must. */
export const NOW = Date.UTC(2026, 10, 15);
export const WINDOW_MS = 5_000;

export interface Machine extends Disposable {
  folder: string;
  host: OpenHost;
  rig: Rig;
  first: Snapshot;
  /** Five seconds pass. */
  later(): void;
  call<T = Record<string, unknown>>(tool: string, args?: unknown): Promise<{ data: T; text: string; bytes: number }>;
}

/** In memory where there is plenty: on some disks thousands of small files take longer to make than all the tests. */
const within = (() => {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    accessSync('/dev/shm', constants.W_OK);
    return bavail * bsize > 512 * 1024 ** 2 ? '/dev/shm' : tmpdir();
  } catch {
    return tmpdir();
  }
})();

type Sizes = Record<string, NonNullable<Filesystem['size']['value']>>;

export async function machine(kind: string, o: { nowMs?: number; prepare?: (folder: string) => void } = {}) {
  const folder = mkdtempSync(join(within, `deckhand-${kind}-`));
  const source = fileURLToPath(new URL(`../fixtures/${kind}`, import.meta.url));
  cpSync(source, folder, { recursive: true, verbatimSymlinks: true });
  o.prepare?.(folder);
  const start = o.nowMs ?? NOW;
  let passed = 0;
  const host = createHost({
    log: quiet,
    procRoot: folder,
    now: () => start + passed,
    monotonic: () => 1_000_000 + passed,
  });
  withSizes(host, folder);
  const first = host.system.snapshot();
  const processes: ProcessList = await host.system.processes();
  // Slow sensors are read aside from the snapshot that asks for them.
  if (sensors(folder) > 0)
    await vi.waitFor(
      () => {
        if ((host.system.snapshot().temperatures.value?.length ?? 0) < sensors(folder)) throw new Error('not yet');
      },
      { interval: 5, timeout: 5_000 },
    );
  const clock = fakeClock(start + WINDOW_MS);
  const door = rig({
    catalog,
    clock,
    context: { host, recent: () => [first], recentProcesses: () => processes, absent: () => [] },
  });
  const made: Machine = {
    folder,
    host,
    rig: door,
    first,
    later() {
      passed = WINDOW_MS;
      overlay(join(folder, 'later'), folder);
    },
    async call(tool, args = {}) {
      const outcome = await door.door.run(callOf(tool, args, { face: 'mcp-stdio', principal: reader }));
      if (outcome.status !== 'done') throw new Error(JSON.stringify(outcome));
      const bytes = Buffer.byteLength(JSON.stringify(outcome.data)) + Buffer.byteLength(outcome.text);
      return { data: outcome.data as never, text: outcome.text, bytes };
    },
    [Symbol.dispose]() {
      host.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return made;
}

/** What statfs says of mounts that are not here. */
function withSizes(host: OpenHost, folder: string): void {
  const file = join(folder, 'statfs.json');
  if (!existsSync(file)) return;
  const sizes = JSON.parse(readFileSync(file, 'utf8')) as Sizes;
  const { filesystems } = host.system;
  host.system.filesystems = async (b) =>
    (await filesystems(b)).map((f) => {
      const value = sizes[f.mount];
      return value ? { ...f, size: { value } } : f;
    });
}

/** Into the same files: the readers keep them open, as they do those of the kernel. */
function overlay(from: string, to: string): void {
  for (const entry of readdirSync(from, { withFileTypes: true, recursive: true }))
    if (entry.isFile()) {
      const path = join(entry.parentPath, entry.name);
      writeFileSync(join(to, path.slice(from.length)), readFileSync(path));
    }
}

/** Inputs that say something that can be true. */
function sensors(folder: string): number {
  const hwmon = join(folder, 'sys/class/hwmon');
  if (!existsSync(hwmon)) return 0;
  return readdirSync(hwmon)
    .flatMap((chip) => readdirSync(join(hwmon, chip)).map((f) => join(hwmon, chip, f)))
    .filter((f) => /temp\d+_input$/.test(f) && Number(readFileSync(f, 'utf8')) < 127_000).length;
}
