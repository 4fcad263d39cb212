/**
 * Release tarballs for tests: the real one, and later versions made of it by changing what says its version. One of them may bring a
 * migration more, or be broken in a given way. Packed lightly: it is the same Node in each.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { releaseEntries } from '../../scripts/release/contents.ts';
import { type Entry, sha256, sums } from '../../scripts/release/tar.ts';
import { VERSION } from '../../src/cli/version.ts';

export { VERSION };

const EPOCH_S = 1_790_000_000;
const arch = process.arch as 'x64' | 'arm64';

/** Below the release's folder. */
export type Files = Map<string, Entry>;

/** Not out of its tarball: packing takes longer than all else, and release.test.ts looks at that. */
export async function released(): Promise<Files> {
  return new Map((await releaseEntries(arch, EPOCH_S)).map((e) => [e.path, e]));
}

export interface Change {
  /** SQL of more steps of the state's schema; `breaks`: no older version can use it. */
  migrations?: { sql: string; breaks?: boolean }[];
  /** Any file; null takes it away. */
  files?: Record<string, string | null>;
  /** In every file of dist/. */
  replace?: [from: string | RegExp, to: string];
}

/** As a later commit would have released it. */
export function version(base: Files, name: string, change: Change = {}): Files {
  const files: Files = new Map(base);
  const put = (path: string, text: string) =>
    files.set(path, { ...(files.get(path) ?? { path }), path, data: Buffer.from(text) });
  let said = 0;
  let migrated = 0;
  for (const [path, { data }] of base) {
    if (!/^dist\/.*\.mjs$/.test(path)) continue;
    let text = data.toString('utf8');
    const named = text.replaceAll(new RegExp(`(["'\`])${VERSION.replaceAll('.', '\\.')}\\1`, 'g'), `"${name}"`);
    if (named !== text) said++;
    text = named;
    const end = /(ALTER TABLE work ADD COLUMN targets TEXT NOT NULL DEFAULT '\[\]';\s*`)\]/;
    if (change.migrations && end.test(text)) {
      migrated++;
      // The next schema's number is not known here: a step that only its own schema can read.
      const more = change.migrations.map(({ sql, breaks }) =>
        breaks ? `{sql:${JSON.stringify(sql)},readableFrom:99}` : JSON.stringify(sql),
      );
      text = text.replace(end, (_, step) => `${[step, ...more].join(',')}]`);
    }
    if (change.replace) text = text.replace(...change.replace);
    put(path, text);
  }
  if (said === 0 && name !== VERSION) throw new Error('no file of dist/ says its version');
  if (change.migrations && migrated === 0) throw new Error('the list of migrations was not found in dist/');
  put(
    'package.json',
    (base.get('package.json')?.data.toString('utf8') ?? '').replace(`"version": "${VERSION}"`, `"version": "${name}"`),
  );
  for (const [path, text] of Object.entries(change.files ?? {})) {
    if (text === null) files.delete(path);
    else put(path, text);
  }
  files.set('SHA256SUMS', {
    path: 'SHA256SUMS',
    data: Buffer.from(sums([...files.values()].filter((f) => f.path !== 'SHA256SUMS'))),
  });
  return files;
}

/** By the machine's tar, as quickly as it can. */
export function packed(files: Files, name: string): Buffer {
  const top = `deckhand-${name}-linux-${arch}`;
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-release-'));
  try {
    for (const { path, data, executable } of files.values()) {
      const to = join(dir, top, path);
      mkdirSync(dirname(to), { recursive: true });
      writeFileSync(to, data, { mode: executable ? 0o755 : 0o644 });
    }
    const args = ['-C', dir, '--format=ustar', '--owner=0', '--group=0', '--numeric-owner', '-cf', '-', top];
    const { status, stdout, stderr } = spawnSync('tar', args, { maxBuffer: 1 << 30 });
    if (status !== 0) throw new Error(`tar: ${stderr}`);
    return gzipSync(stdout, { level: 0 });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Writes the tarballs into `folder`, with SHA256SUMS over them. Their names. */
export function writeReleases(folder: string, versions: Record<string, Files>): Record<string, string> {
  mkdirSync(folder, { recursive: true });
  const names: Record<string, string> = {};
  const lines: string[] = [];
  for (const [name, files] of Object.entries(versions)) {
    const file = `deckhand-${name}-linux-${arch}.tar.gz`;
    const bytes = packed(files, name);
    writeFileSync(join(folder, file), bytes);
    lines.push(`${sha256(bytes)}  ${file}\n`);
    names[name] = file;
  }
  writeFileSync(join(folder, 'SHA256SUMS'), lines.join(''));
  return names;
}
