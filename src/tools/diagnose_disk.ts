/**
 * Gathers what a diagnosis of a full disk rests on: one file system's figures, a walk of all its names and sizes, files that are deleted and
 * still open, the engine's and the journal's share, and the looks before. Decides which file system is meant, how long each part may take
 * and how much of it is told. What follows is insight/diagnose_disk.ts's.
 *
 * Names and sizes of the whole file system are told, outside the roots of the settings, too: hence files:read besides system:read. Below a
 * folder of the deny list nothing is named.
 */
import type { ToolContext } from '../core/call.ts';
import type { DiskFolder, DiskScan, DiskSnapshot, OpenDeletedList } from '../core/disk.ts';
import { OpsError } from '../core/errors.ts';
import type { Reading } from '../core/host.ts';
import type { Source } from '../core/source.ts';
import { bytes, percent, rfc3339 } from '../core/text.ts';
import { growth } from '../insight/causes_disk.ts';
import { diagnoseDisk, fullness, standing } from '../insight/diagnose_disk.ts';
import {
  type DiskFacts,
  heaviest,
  inodeShare,
  placeBytes,
  type Size,
  snapshotOf,
  unaccounted,
  usedShare,
} from '../insight/disk_seen.ts';
import type { Clean } from '../insight/log_match.ts';
import { type DiskSection, type Found, verdictOf, type Way } from './diagnose_parts.ts';
import { gaps, isNoise, one } from './figures.ts';
import { cleaner } from './log_query.ts';
import { attempt, within } from './sampling.ts';

const TIMEOUT_MS = 590_000;
/** The walk ends before the call does, with what it has. */
const MARGIN_MS = 20_000;
const DOCKER_MS = 8_000;
const JOURNAL_MS = 3_000;
/** An earlier look that is younger tells of nothing. */
const BEFORE_MS = 50 * 60_000;
const FILES = 6;
const FIRST_FILES = 1 / 100;

type Sized = DiskFacts['fs'];

export const diskFull: Way = {
  problem: 'disk_full',
  kinds: ['file'],
  alone: true,
  form: 'a path such as file:/var, or without a target at the fullest disk',
  scopes: () => ['system:read', 'files:read'],
  targets: (s) => (s ? [{ kind: 'path', name: s.name }] : []),
  timeoutMs: TIMEOUT_MS,
  async find({ source, sinceMs }, ctx): Promise<Found> {
    const fs = await meant(source, ctx);
    const clean = cleaner(ctx);
    const gap = gaps();
    const { disk } = ctx.host;
    const { usedBytes, inodesUsed } = fs.size.value;
    const walked = disk.scan(fs.mount, {
      used: { bytes: usedBytes, inodes: inodesUsed },
      maxMs: TIMEOUT_MS - MARGIN_MS,
      signal: ctx.signal,
      onProgress: (p) =>
        ctx.progress(
          p.bytes,
          usedBytes,
          `${bytes(p.bytes)} of ${bytes(usedBytes)} seen, ${p.entries} files and folders`,
        ),
    });
    const [scan, open, docker, journal] = await Promise.all([
      attempt(walked, ctx),
      attempt(disk.openDeleted(fs.mount, { signal: ctx.signal }), ctx),
      dockerShare(fs.mount, ctx),
      journalShare(fs.mount, ctx),
    ]);
    const nowMs = ctx.now();
    const key = `${fs.device} ${fs.type} ${fs.mount}`;
    const looks = disk.history?.of(key) ?? [];
    if (scan.value && !scan.value.stopped) disk.history?.keep(key, snapshotOf(scan.value, usedBytes, nowMs));
    const facts: DiskFacts = {
      nowMs,
      fs,
      scan: seen(gap.of('folders', scan), clean),
      open: held(gap.of('deleted files', open), clean),
      docker: docker && gap.of('the engine’s share', docker),
      journalBytes: journal && gap.of('the journal’s share', journal),
      kernel: ctx.host.system.identity().kernel.value,
      before: earlier(looks, sinceMs ?? nowMs - BEFORE_MS),
      packages: packagesOf(scan.value),
    };
    const causes = diagnoseDisk(facts);
    blind(facts, gap);
    const plain = /^[\w./@:-]{1,120}$/.test(fs.mount) ? fs.mount : 'This file system';
    const checked = ['size', 'inodes', ...(facts.scan ? ['folders'] : []), ...(facts.open ? ['deleted files'] : [])];
    if (facts.docker) checked.push('engine');
    if (facts.journalBytes !== null) checked.push('journal');
    if (facts.before) checked.push('earlier look');
    return {
      target: plain === fs.mount ? `file:${plain}` : 'file:/',
      verdict: verdictOf(`${plain} ${standing(fs.size.value)}`, causes),
      causes,
      disk: section(facts),
      checked,
      unknown: gap.list,
    };
  },
};

async function meant(source: Source | null, ctx: ToolContext): Promise<Sized> {
  const all = await ctx.host.system.filesystems({ signal: ctx.signal });
  if (!source) {
    const local = all.filter((f): f is Sized => f.size.value !== null && f.local && !isNoise.filesystem(f));
    const usable = local.filter((f) => !f.readOnly || f.remountedReadOnly);
    const worst = usable.toSorted(
      (a, b) =>
        Number(b.remountedReadOnly) - Number(a.remountedReadOnly) || fullness(b.size.value) - fullness(a.size.value),
    )[0];
    if (worst) return worst;
    throw new OpsError('unavailable', 'No local file system tells its size.', {
      hint: 'Name one: diagnose {"problem":"disk_full","target":"file:/"}.',
    });
  }
  const mount = await ctx.host.disk.mountOf(source.name);
  const found = all.find((f) => f.mount === mount);
  if (!found)
    throw new OpsError('validation', 'What is mounted there holds no files of its own, or is seen elsewhere, too.', {
      hint: 'system_metrics {"groups":["filesystems"]} has those that can be looked at.',
      candidates: all.slice(0, 10).map((f) => `file:${f.mount}`),
    });
  if (found.size.value === null) throw new OpsError('unavailable', `That file system: ${found.size.why}.`);
  return found as Sized;
}

/** Null: it is not offered here, or its data lie elsewhere. */
async function dockerShare(mount: string, ctx: ToolContext): Promise<Reading<NonNullable<DiskFacts['docker']>> | null> {
  if (!ctx.offers?.('docker')) return null;
  const { engines } = ctx.host.docker;
  const { signal } = ctx;
  const look = async () => {
    const { engines: all } = await engines.status({ signal });
    const here = all.find((e) => e.answers && e.endpoint.startsWith('unix:'));
    if (!here) return null;
    const info = await engines.info({ engine: here.name, signal });
    if ((await ctx.host.disk.mountOf(info.dataRoot)) !== mount) return null;
    const u = await engines.usage({ engine: here.name, signal });
    const part = (name: string, is: keyof typeof u.reclaimable) => ({
      name,
      bytes: u[is],
      reclaimableBytes: u.reclaimable[is],
    });
    return {
      parts: [
        part('images', 'imagesBytes'),
        part('containers', 'containersBytes'),
        part('volumes', 'volumesBytes'),
        part('build cache', 'buildCacheBytes'),
      ],
    };
  };
  const read = await within(DOCKER_MS, look(), ctx);
  return read.why === undefined && read.value === null ? null : (read as Reading<NonNullable<DiskFacts['docker']>>);
}

async function journalShare(mount: string, ctx: ToolContext): Promise<Reading<number> | null> {
  const { journal, disk } = ctx.host;
  if (journal.available().value === null || (await disk.mountOf('/var/log/journal')) !== mount) return null;
  const read = await within(JOURNAL_MS, journal.usage({ signal: ctx.signal }), ctx);
  return read.value ?? { value: null, why: read.why ?? 'not known' };
}

function earlier(looks: readonly DiskSnapshot[], untilMs: number): DiskSnapshot | null {
  return looks.findLast((s) => s.atMs <= untilMs) ?? null;
}

const CACHES = {
  apt: 'apt',
  dnf: 'dnf',
  libdnf5: 'dnf',
  yum: 'dnf',
  pacman: 'pacman',
  zypp: 'zypper',
  apk: 'apk',
} as const;
function packagesOf(scan: DiskScan | null): DiskFacts['packages'] {
  const path = scan?.places.find((p) => p.id === 'package_cache')?.path ?? '';
  const name = path.split('/')[3] ?? '';
  return Object.hasOwn(CACHES, name) ? CACHES[name as keyof typeof CACHES] : null;
}

/** Names can hold secrets, too; those of the evidence are not cleaned again on their way out. */
function seen(scan: DiskScan | null, clean: Clean): DiskScan | null {
  const folder = (f: DiskFolder): DiskFolder => ({ ...f, path: clean(f.path), folders: f.folders.map(folder) });
  return (
    scan && {
      ...scan,
      root: folder(scan.root),
      files: scan.files.map((f) => ({ ...f, path: clean(f.path) })),
      places: scan.places.map((p) => ({ ...p, path: clean(p.path) })),
      unreadable: { ...scan.unreadable, first: scan.unreadable.first.map(clean) },
    }
  );
}

function held(open: OpenDeletedList | null, clean: Clean): OpenDeletedList | null {
  const files = open?.files.map((f) => ({ ...f, path: clean(f.path), process: clean(f.process) }));
  return open && { ...open, files: files ?? [] };
}

function blind(f: DiskFacts, gap: ReturnType<typeof gaps>): void {
  const note = (what: string, why: string) => gap.list.push({ what, why });
  const { scan, open } = f;
  if (scan && scan.unreadable.folders > 0)
    note(
      `what is in ${scan.unreadable.folders} folders`,
      'this user may not look into them: run Deckhand as root, or du with sudo',
    );
  if (open && open.hidden > 0)
    note(`deleted files of ${open.hidden} processes`, 'their descriptors are for root and their own user');
  if (scan?.stopped) note('the rest of the folders', 'it was not through in time: the figures are of what was reached');
  const rest = unaccounted(f);
  const used = f.fs.size.value.usedBytes;
  if (rest !== null && rest >= 0.1 * used && rest >= 64 * 1024 ** 2)
    note(`${bytes(rest)} (${percent((100 * rest) / used)}) of what is used`, 'no file that was seen accounts for it');
}

function section(f: DiskFacts): DiskSection {
  const { fs, scan, open } = f;
  const size: Size = fs.size.value;
  const inodes = inodeShare(size);
  const by = inodes !== null && inodes > usedShare(size) && inodes >= 0.85 ? 'entries' : 'bytes';
  return {
    mount: fs.mount,
    type: fs.type,
    totalBytes: size.totalBytes,
    usedBytes: size.usedBytes,
    availableBytes: size.availableBytes,
    reservedBytes: Math.max(0, size.totalBytes - size.usedBytes - size.availableBytes),
    usedPercent: one(100 * usedShare(size)),
    inodesUsedPercent: one(inodes === null ? null : 100 * inodes),
    seenBytes: scan?.root.bytes ?? null,
    unseenBytes: unaccounted(f),
    openDeletedBytes: open?.totalBytes ?? null,
    dockerBytes: f.docker?.parts.reduce((sum, p) => sum + p.bytes, 0) ?? (placeBytes(scan, 'docker') || null),
    journalBytes: f.journalBytes ?? (placeBytes(scan, 'journal') || null),
    folders: scan ? heaviest(scan.root, by) : [],
    files: (scan?.files ?? [])
      .filter((x) => x.bytes >= FIRST_FILES * size.usedBytes)
      .slice(0, FILES)
      .map((x) => ({ path: x.path, bytes: x.bytes })),
    grew: growth(f),
    grewSince: f.before ? rfc3339(f.before.atMs) : null,
    stopped: scan?.stopped ?? null,
  };
}
