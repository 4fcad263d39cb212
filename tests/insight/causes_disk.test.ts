/** Fault × cause for full disks, over facts made by hand, and the healthy twin of each. */
import { describe, expect, it } from 'vitest';
import type { DiskFile, DiskPlaceId, DiskScan } from '../../src/core/disk.ts';
import type { Filesystem } from '../../src/core/host.ts';
import { diagnoseDisk, fullness, standing } from '../../src/insight/diagnose_disk.ts';
import {
  bulk,
  type DiskFacts,
  grown,
  heaviest,
  type Size,
  snapshotOf,
  unaccounted,
} from '../../src/insight/disk_seen.ts';
import { fakeFolder, fakeScan, noneDeleted } from '../fakes/disk.ts';

const GiB = 1024 ** 3;
const size = (over: Partial<Size> = {}): Size => ({
  totalBytes: 100 * GiB,
  usedBytes: 98 * GiB,
  availableBytes: 2 * GiB,
  inodes: 1_000_000,
  inodesUsed: 200_000,
  ...over,
});
const fs = (over: Partial<Filesystem> = {}, sized: Partial<Size> = {}) => ({
  mount: '/srv',
  device: '/dev/vdb1',
  type: 'ext4',
  readOnly: false,
  options: ['rw'],
  remountedReadOnly: false,
  local: true,
  ...over,
  size: { value: size(sized) },
});
const whole = (over: Partial<DiskScan> = {}): DiskScan =>
  fakeScan({ root: fakeFolder('/srv', 98 * GiB, { entries: 200_000 }), ...over });
const facts = (over: Partial<DiskFacts> = {}): DiskFacts => ({
  nowMs: Date.UTC(2026, 10, 20, 12),
  fs: fs(),
  scan: whole(),
  open: noneDeleted,
  docker: null,
  journalBytes: null,
  kernel: '6.1.0-9-amd64',
  before: null,
  packages: null,
  ...over,
});
const place = (id: DiskPlaceId, gib: number, path = '/srv/x', of: string | null = null) => ({
  id,
  of,
  bytes: gib * GiB,
  entries: 12,
  path,
});
const file = (path: string, gib: number, where: DiskFile['place'] = null): DiskFile => ({
  path,
  bytes: gib * GiB,
  modifiedMs: Date.UTC(2026, 10, 19),
  place: where,
});
const deleted = (gib: number, over: object = {}) => ({
  files: [{ bytes: gib * GiB, path: '/srv/a.log', pid: 77, process: 'java', home: null, others: 0, ...over }],
  count: 1,
  totalBytes: gib * GiB,
  hidden: 0,
});
const roomy = { usedBytes: 40 * GiB, availableBytes: 60 * GiB };

const unseen = { root: fakeFolder('/srv', 50 * GiB) };
const FAULTS: [name: string, over: Partial<DiskFacts>, id: string, certainty: string][] = [
  ['fell to read-only', { fs: fs({ remountedReadOnly: true, options: ['ro'] }) }, 'read_only', 'certain'],
  ['no inodes', { fs: fs({}, { ...roomy, inodesUsed: 999_000 }) }, 'inodes_full', 'certain'],
  ['reserved blocks', { fs: fs({}, { usedBytes: 95 * GiB, availableBytes: 0 }) }, 'reserved_blocks', 'certain'],
  [
    'deleted and open',
    { open: deleted(40), scan: whole({ root: fakeFolder('/srv', 58 * GiB) }) },
    'deleted_open',
    'certain',
  ],
  ['container logs', { scan: whole({ places: [place('container_logs', 60)] }) }, 'container_logs', 'likely'],
  [
    'engine',
    { docker: { parts: [{ name: 'images', bytes: 50 * GiB, reclaimableBytes: 40 * GiB }] } },
    'docker',
    'likely',
  ],
  ['one log', { scan: whole({ files: [file('/var/log/app.log', 60, 'logs')] }) }, 'big_log', 'likely'],
  ['rotated logs', { scan: whole({ places: [place('rotated_logs', 30)] }) }, 'rotated_logs', 'likely'],
  ['journal', { journalBytes: 30 * GiB }, 'journal', 'likely'],
  ['packages', { scan: whole({ places: [place('package_cache', 30)] }), packages: 'dnf' }, 'package_cache', 'likely'],
  ['dumps', { scan: whole({ places: [place('core_dumps', 30)] }) }, 'core_dumps', 'likely'],
  [
    'kernels',
    { scan: whole({ places: [...'123'].map((n) => place('kernels', 10, '/boot', n)) }) },
    'old_kernels',
    'likely',
  ],
  ['tmp', { scan: whole({ places: [place('tmp', 30, '/tmp')] }) }, 'temporary_files', 'likely'],
  ['caches', { scan: whole({ places: [place('user_cache', 30)] }) }, 'user_caches', 'likely'],
  ['trash', { scan: whole({ places: [place('trash', 30)] }) }, 'trash', 'likely'],
  ['one file', { scan: whole({ files: [file('/srv/disk.img', 60)] }) }, 'big_file', 'likely'],
  [
    'one folder',
    { scan: whole({ root: fakeFolder('/srv', 98 * GiB, { folders: [fakeFolder('/srv/photos', 90 * GiB)] }) }) },
    'big_folder',
    'likely',
  ],
  [
    'grew',
    {
      scan: whole({ root: fakeFolder('/srv', 98 * GiB, { folders: [fakeFolder('/srv/db', 40 * GiB)] }) }),
      before: {
        atMs: 0,
        usedBytes: 60 * GiB,
        leastBytes: 0,
        folders: [
          ['/srv', 60 * GiB],
          ['/srv/db', 2 * GiB],
        ],
      },
    },
    'grew',
    'likely',
  ],
  ['unreadable', { scan: whole({ ...unseen, unreadable: { folders: 3, first: ['/srv/a'] } }) }, 'unreadable', 'likely'],
  ['below a mount', { scan: whole({ ...unseen, otherMounts: 1 }) }, 'hidden_space', 'likely'],
  ['snapshots', { fs: fs({ type: 'btrfs' }), scan: whole(unseen) }, 'hidden_space', 'likely'],
  ['of everything', {}, 'simply_full', 'likely'],
  ['with room', { fs: fs({}, roomy) }, 'not_full', 'certain'],
];

describe('what fills a disk', () => {
  it.each(FAULTS)('%s', (_, over, id, certainty) => {
    const causes = diagnoseDisk(facts(over));
    expect(causes[0], JSON.stringify(causes)).toMatchObject({ id, certainty });
    expect(causes.length).toBeLessThanOrEqual(4);
    for (const c of causes) expect(c.next).not.toMatch(/[{]\w+[}]/);
  });

  it.each(FAULTS.filter(([, over]) => !over.fs))('while there is room nothing of it is a fault: %s', (_, over) => {
    const causes = diagnoseDisk(
      facts({ ...over, fs: fs({}, { ...roomy, usedBytes: 50 * GiB, availableBytes: 50 * GiB }) }),
    );
    expect(causes[0]).toMatchObject({ id: 'not_full', certainty: 'certain' });
    for (const c of causes.slice(1)) expect(c.certainty).toBe('possible');
  });

  it('the heaviest comes first among equals', () => {
    const places = [place('trash', 25), place('core_dumps', 40), place('tmp', 30, '/tmp')];
    expect(diagnoseDisk(facts({ scan: whole({ places }) })).map((c) => c.id)).toEqual([
      'core_dumps',
      'temporary_files',
      'trash',
    ]);
  });

  it('names whom to restart, and advises only what is plain', () => {
    const first = (home: object | null) => diagnoseDisk(facts({ open: deleted(40, { home }) }))[0];
    expect(first({ kind: 'unit', name: 'app.service' })?.next).toBe(
      'service_control {"unit":"app.service","action":"restart"}',
    );
    expect(first({ kind: 'container', name: 'abc' })?.next).toBe(
      'container_control {"container":"abc","action":"restart"}',
    );
    expect(first(null)?.next).toBe('ls -l /proc/77/fd');
    expect(first({ kind: 'unit', name: 'a"; rm -rf /' })?.next).not.toContain('rm');
    const log = diagnoseDisk(facts({ scan: whole({ files: [file('/var/log/a b $(x).log', 60, 'logs')] }) }))[0];
    expect(log?.next).toBe('log_query {"source":["file:/FILE"],"tail":20}');
    expect(log?.evidence[0]).toContain('a b $(x).log');
  });

  it('a walk that was not whole accuses no hidden space', () => {
    const f = facts({ scan: whole({ ...unseen, stopped: 'time' }) });
    expect(unaccounted(f)).toBeNull();
    expect(diagnoseDisk(f).map((c) => c.id)).toEqual(['simply_full']);
    expect(diagnoseDisk(facts({ scan: null, open: null }))[0]?.id).toBe('simply_full');
  });

  it('says how it stands', () => {
    expect(standing(size())).toMatch(/^is full \(98%/);
    expect(standing(size({ usedBytes: 88 * GiB, availableBytes: 12 * GiB }))).toMatch(/^is filling up/);
    expect(standing(size({ ...roomy, inodesUsed: 990_000 }))).toMatch(/^has no inodes left/);
    expect(standing(size(roomy))).toMatch(/^has room/);
    expect(fullness(size({ ...roomy, inodesUsed: 990_000 }))).toBe(0.99);
  });
});

describe('a tree at a glance', () => {
  const tree = fakeFolder('/', 100, {
    folders: [
      fakeFolder('/var', 95, {
        folders: [
          fakeFolder('/var/lib', 94, {
            folders: [fakeFolder('/var/lib/a', 50), fakeFolder('/var/lib/b', 40), fakeFolder('/var/lib/c', 1)],
          }),
        ],
      }),
      fakeFolder('/usr', 4),
    ],
  });
  it('goes down while one child stands for its folder, and drops what is light', () => {
    expect(heaviest(tree, 'bytes').map((r) => [r.depth, r.path])).toEqual([
      [0, '/var/lib'],
      [1, '/var/lib/a'],
      [1, '/var/lib/b'],
    ]);
    expect(heaviest(tree, 'bytes', 1)).toHaveLength(1);
    expect(bulk(tree, 'bytes', 0.45)?.path).toBe('/var/lib/a');
    expect(bulk(tree, 'bytes', 0.99)).toBeNull();
  });
  it('growth is told where it lies, and never of a folder that merely was not looked at', () => {
    const scan = fakeScan({ root: tree });
    const before = {
      atMs: 0,
      usedBytes: 1,
      leastBytes: 0,
      folders: [
        ['/', 60],
        ['/var', 55],
        ['/var/lib', 54],
        ['/var/lib/a', 10],
      ] as [string, number][],
    };
    expect(grown(scan, before, 5)).toEqual([
      { path: '/var/lib/a', bytes: 40 },
      { path: '/var/lib/b', bytes: 40 },
    ]);
    expect(grown(scan, snapshotOf(scan, 100, 0), 1)).toEqual([]);
    expect(grown(scan, { ...before, folders: [] }, 5)).toEqual([]);
  });
});
