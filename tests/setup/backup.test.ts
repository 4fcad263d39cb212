/** Backups of the state: what is good, what is kept, what a restore may do; and what is left when any of it is killed or the disk is full. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { backupChecks } from '../../src/cli/doctor_backup.ts';
import {
  backupsIn,
  configFiles,
  createBackup,
  findBackup,
  planRestore,
  restore,
  verifyBackup,
} from '../../src/setup/backup/index.ts';
import { openAudit } from '../../src/store/audit.ts';
import { auditFiles } from '../../src/store/audit_files.ts';
import { auditTail } from '../../src/store/audit_verify.ts';
import { openDb } from '../../src/store/db.ts';
import { openReceipts } from '../../src/store/receipts.ts';
import { finishRestore } from '../../src/store/restore.ts';
import { openState } from '../../src/store/state.ts';
import { openTokens } from '../../src/store/tokens.ts';
import { folder, memoryLog } from '../store/bench.ts';

const signal = new AbortController().signal;
const log = memoryLog();
const START = Date.UTC(2026, 10, 21, 4);
const DAY = 86_400_000;

/** A state with one of each: token, receipt with a content, audit; `name` tells two of them apart. */
function fill(dir: string, name: string): void {
  const state = openState(dir);
  const db = openDb(state, log);
  const audit = openAudit(state, log);
  audit.append('call', { tool: name });
  openTokens(state, log).add({ name, role: 'operator' });
  openReceipts(state, db).put({
    ...{ principal: 'p', scopes: [], tool: 't', risk: 'change', call: name, input: {}, targets: [], summary: name },
    ...{ before: null, after: null, revert: { data: {}, blobs: { old: Buffer.from(`old ${name}`) } } },
  });
  audit.close();
  db.close();
}

function seen(dir: string) {
  const state = openState(dir);
  finishRestore(state);
  const db = openDb(state, log);
  const receipts = openReceipts(state, db);
  const lines = receipts.list({ limit: 9 });
  const found = {
    tokens: openTokens(state, log)
      .list()
      .map((t) => t.name),
    receipts: lines.map((l) => `${l.call} ${receipts.get(l.id)?.blob('old')?.toString()}`),
    audit: auditFiles(dir)
      .verify()
      .problems.map((p) => p.what),
    restores: auditTail(state.audit, 100).filter((r) => r.event === 'restore').length,
  };
  db.close();
  return found;
}

function house() {
  const top = folder();
  const stateDir = join(top, 'state');
  fill(stateDir, 'then');
  const backups = join(top, 'backups');
  let now = START;
  const make = (over: Partial<Parameters<typeof createBackup>[0]> = {}) =>
    createBackup({
      stateDir,
      folder: backups,
      keep: 3,
      version: '1.0.0',
      signal,
      log,
      extra: [],
      now: () => now,
      ...over,
    });
  const put = async (given: string) => {
    const o = { stateDir, folder: backups, given, signal, log };
    const plan = await planRestore(o);
    await restore(o, plan);
    return plan;
  };
  return {
    top,
    stateDir,
    backups,
    make,
    put,
    day: () => (now += DAY),
    verify: (name?: string) => verifyBackup(findBackup(backups, stateDir, name), signal),
  };
}

const hashes = (dir: string) =>
  readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name))
    .sort()
    .map(
      (p) => `${relative(dir, p)} ${statSync(p).mtimeMs} ${createHash('sha256').update(readFileSync(p)).digest('hex')}`,
    );

describe('what is good', () => {
  it('one flipped bit in any file, a file shortened, gone or added: each is found, and nothing is changed by looking', async () => {
    const h = house();
    const { backup } = await h.make({
      extra: [{ path: 'config/etc/deckhand/config.yaml', content: Buffer.from('mode: ask\n') }],
    });
    const clean = hashes(backup.path);
    expect(await h.verify()).toEqual({ ok: true, problems: [], notes: [] });
    expect(hashes(backup.path)).toEqual(clean);
    const files = clean.map((l) => l.split(' ')[0] as string);
    expect(files.length).toBeGreaterThanOrEqual(7);
    for (const name of files) {
      const path = join(backup.path, name);
      const was = readFileSync(path);
      for (const at of [0, Math.floor(was.length / 2), was.length - 2]) {
        const bad = Buffer.from(was);
        bad.writeUInt8((bad.at(at) as number) ^ 4, at);
        writeFileSync(path, bad);
        const before = hashes(backup.path);
        const { ok, problems } = await h.verify(backup.name);
        expect(ok, `${name} at ${at}`).toBe(false);
        expect(problems.join()).toContain(name);
        expect(hashes(backup.path)).toEqual(before);
      }
      truncateSync(path, was.length - 1);
      expect((await h.verify(backup.name)).ok, `${name} shortened`).toBe(false);
      rmSync(path);
      expect((await h.verify(backup.name)).ok, `${name} gone`).toBe(false);
      writeFileSync(path, was, { mode: 0o600 });
    }
    expect((await h.verify()).ok).toBe(true);
    writeFileSync(join(backup.path, 'audit', 'more.jsonl'), '{}');
    expect((await h.verify()).problems).toEqual(['audit/more.jsonl does not belong to it']);
  });

  it('a path in the manifest never leads out of it', async () => {
    const h = house();
    const { backup } = await h.make();
    const path = join(backup.path, 'backup.json');
    const text = readFileSync(path, 'utf8');
    for (const out of ['../../etc/shadow', '/etc/shadow', 'a/../../b', './x', 'a//b']) {
      writeFileSync(path, text.replace('"audit.key"', JSON.stringify(out)));
      expect(await h.verify(backup.name), out).toMatchObject({
        ok: false,
        problems: ['backup.json cannot be read as one'],
      });
    }
  });

  it('an audit that was damaged before is copied as it is, and said so', async () => {
    const h = house();
    const audit = join(h.stateDir, 'audit');
    const segment = readdirSync(audit).find((n) => /^\d/.test(n)) as string;
    appendFileSync(join(audit, segment), 'no record\n');
    const { verdict } = await h.make();
    expect(verdict).toMatchObject({ ok: true, notes: [expect.stringMatching(/^the audit had 1 problem/)] });
  });
});

describe('what is kept', () => {
  it('so many good ones; a bad one pushes none out, and goes with the old', async () => {
    const h = house();
    const names: string[] = [];
    const next = async () => {
      h.day();
      const made = await h.make();
      names.push(made.backup.name);
      return made.removed;
    };
    for (let i = 0; i < 3; i++) expect(await next()).toEqual([]);
    appendFileSync(join(h.backups, names[2] as string, 'deckhand.db'), 'x');
    expect(await next()).toEqual([]);
    const [a, b, c] = names;
    expect(await next()).toEqual([a]);
    expect(await next()).toEqual([c, b]);
    expect(backupsIn(h.backups, h.stateDir).map((x) => x.name)).toEqual(names.slice(3).reverse());
  });

  it('others’ folders and backups of other states stay', async () => {
    const h = house();
    const other = house();
    mkdirSync(h.backups, { mode: 0o700 });
    for (let i = 0; i < 2; i++) await other.make({ folder: h.backups });
    mkdirSync(join(h.backups, 'mine'));
    for (let i = 0; i < 3; i++, h.day()) await h.make({ keep: 1 });
    expect(readdirSync(h.backups).length).toBe(4);
    expect(backupsIn(h.backups, h.stateDir).filter((x) => x.ours).length).toBe(1);
  });

  it('refuses a place that others can reach', async () => {
    const h = house();
    mkdirSync(h.backups, { mode: 0o755 });
    chmodSync(h.backups, 0o755);
    await expect(h.make()).rejects.toMatchObject({
      code: 'permission',
      details: { hint: expect.stringContaining('chmod go-rwx') },
    });
    rmSync(h.backups, { recursive: true });
    symlinkSync(h.top, h.backups);
    await expect(h.make()).rejects.toMatchObject({ code: 'permission' });
    rmSync(h.backups);
    mkdirSync(join(h.top, 'open'));
    chmodSync(join(h.top, 'open'), 0o777);
    await expect(h.make({ folder: join(h.top, 'open', 'b') })).rejects.toMatchObject({ code: 'permission' });
    expect(readdirSync(join(h.top, 'open', 'b'))).toEqual([]);
  });

  it.skipIf(process.geteuid?.() !== 0)(
    'refuses what belongs to somebody else, to write to and to restore from',
    async () => {
      const h = house();
      const { backup } = await h.make();
      chownSync(backup.path, 65_534, 65_534);
      await expect(h.put(backup.name)).rejects.toMatchObject({
        code: 'permission',
        details: { hint: expect.stringContaining('chown') },
      });
      chownSync(h.backups, 65_534, 65_534);
      await expect(h.make()).rejects.toMatchObject({ code: 'permission' });
    },
  );

  it('the config only when asked for, and once', () => {
    const top = folder();
    const file = join(top, 'config.yaml');
    writeFileSync(file, 'mode: ask\n');
    expect(configFiles(file, [file, join(top, 'gone')]).map((x) => x.path)).toEqual([`config${file}`]);
    expect(configFiles(null, [])).toEqual([]);
  });
});

describe('a restore', () => {
  it('brings back tokens, receipts and audit, and puts aside what was there; that comes back the same way', async () => {
    const h = house();
    const { backup } = await h.make();
    fill(h.stateDir, 'now');
    const both = seen(h.stateDir);
    expect(both).toMatchObject({ tokens: ['then', 'now'], audit: [] });
    const plan = await h.put(backup.name);
    expect(plan.tokens).toEqual({ come: [], go: ['now'] });
    expect(seen(h.stateDir)).toEqual({ tokens: ['then'], receipts: ['then old then'], audit: [], restores: 1 });
    fill(h.stateDir, 'later');
    expect(seen(h.stateDir).audit).toEqual([]);
    const back = await h.put(plan.aside);
    expect(back.tokens).toEqual({ come: ['now'], go: ['later'] });
    expect(seen(h.stateDir)).toEqual({ ...both, restores: 1 });
    expect(readdirSync(h.stateDir).filter((n) => /^before|^restor/.test(n))).toEqual([back.aside]);
    for (const e of readdirSync(h.stateDir, { withFileTypes: true, recursive: true }))
      expect(statSync(join(e.parentPath, e.name)).mode & 0o077, e.name).toBe(0);
  });

  it('into a folder that never had a state', async () => {
    const h = house();
    const { backup } = await h.make();
    const stateDir = join(h.top, 'fresh');
    const o = { stateDir, folder: h.backups, given: backup.path, signal, log };
    await restore(o, await planRestore(o));
    expect(seen(stateDir)).toMatchObject({ tokens: ['then'], receipts: ['then old then'], audit: [] });
  });

  it('is refused while somebody runs on the state, and of a backup that is not in order; nothing is changed', async () => {
    const h = house();
    const { backup } = await h.make();
    const child = spawn(process.execPath, [join(import.meta.dirname, '../store/backup_child.ts'), h.stateDir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(child.stdout, 'data');
      await expect(h.put(backup.name)).rejects.toMatchObject({
        code: 'conflict',
        details: { hint: expect.stringContaining('systemctl stop') },
      });
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    appendFileSync(join(backup.path, 'tokens.json'), ' ');
    const before = hashes(h.stateDir);
    await expect(h.put(backup.name)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('tokens.json'),
    });
    await expect(h.put('20260101T000000Z-0000')).rejects.toMatchObject({ code: 'not_found' });
    expect(hashes(h.stateDir)).toEqual(before);
  });

  it('of a list that somebody wrote is refused', () => {
    const h = house();
    for (const from of ['../x', 'backups', '/etc']) {
      writeFileSync(
        join(h.stateDir, 'restore.json'),
        JSON.stringify({ from, aside: 'before-restore-20260101T000000Z', parts: ['audit'] }),
      );
      expect(() => finishRestore(openState(h.stateDir))).toThrow(/no list of what is to be restored/);
    }
  });
});

/** A child that ends at the nth change on the disk; `nth` 0: it runs to its end. */
const ended = (args: string[]) =>
  new Promise<{ killed: boolean; calls: number; error: { code: string; message: string } | null }>((done) => {
    execFile(process.execPath, [join(import.meta.dirname, 'backup_child.ts'), ...args], (error, stdout) => {
      const said = stdout ? JSON.parse(stdout) : { calls: 0, error: null };
      done({ killed: (error as { signal?: string } | null)?.signal === 'SIGKILL', ...said });
    });
  });

/** The first, the last, and some between; all of them where there is time. */
function points(calls: number, most: number): number[] {
  const all = process.env.DECKHAND_REAL === '1' ? Math.min(calls, 3 * most) : Math.min(calls, most);
  return [...new Set(Array.from({ length: all }, (_, i) => 1 + Math.round((i * (calls - 1)) / (all - 1))))];
}

describe('killed in the middle', () => {
  const AT_ONCE = 4;
  async function each(numbers: number[], work: (n: number) => Promise<void>): Promise<void> {
    const left = [...numbers];
    const one = async () => {
      for (let n = left.shift(); n !== undefined; n = left.shift()) await work(n);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, one));
  }

  async function twoStates() {
    const h = house();
    const { backup } = await h.make();
    rmSync(h.stateDir, { recursive: true });
    fill(h.stateDir, 'now');
    const at = (n: number | string) => {
      const dir = join(h.top, `at-${n}`);
      execFileSync('cp', ['-a', h.stateDir, dir]);
      return dir;
    };
    const run = (action: string, how: string, n: number, dir: string) =>
      ended([action, how, String(n), dir, h.backups, backup.name]);
    return { ...h, at, run };
  }
  const OLD = { tokens: ['now'], receipts: ['now old now'], audit: [] };
  const NEW = { tokens: ['then'], receipts: ['then old then'], audit: [] };

  it('a restore leaves the old state or the new one, whole; a copy file by file does not', async () => {
    const h = await twoStates();
    const { calls } = await h.run('restore', 'kill', 0, h.at('all'));
    expect(calls).toBeGreaterThan(30);
    const ends = { old: 0, new: 0 };
    await each(points(calls, 20), async (n) => {
      const dir = h.at(n);
      expect(await h.run('restore', 'kill', n, dir)).toMatchObject({ killed: true });
      const { restores, ...state } = seen(dir);
      const end = state.tokens[0] === 'then' ? 'new' : 'old';
      ends[end]++;
      expect({ ...state, restores }, `killed at ${n} of ${calls}`).toEqual(
        end === 'new' ? { ...NEW, restores: 1 } : { ...OLD, restores: 0 },
      );
      expect(existsSync(join(dir, 'restore.json'))).toBe(false);
      // A way on from there: the same again, to its end.
      if (end === 'old') {
        expect(await h.run('restore', 'kill', 0, dir)).toMatchObject({ error: null });
        expect(seen(dir)).toMatchObject(NEW);
        expect(readdirSync(dir).filter((name) => name.startsWith('restoring-'))).toEqual([]);
      }
    });
    expect(ends.old).toBeGreaterThan(0);
    expect(ends.new).toBeGreaterThan(0);
    const naive = await h.run('naive', 'kill', 0, h.at('naive'));
    let mixed = 0;
    for (let n = 2; n <= naive.calls; n++) {
      const dir = h.at(`naive-${n}`);
      await h.run('naive', 'kill', n, dir);
      const { restores: _, ...state } = seen(dir);
      if (![OLD, NEW].some((whole) => JSON.stringify(whole) === JSON.stringify(state))) mixed++;
    }
    expect(mixed).toBeGreaterThan(0);
  });

  it('a backup never stands half done under its name, and the next one is made', async () => {
    const h = house();
    const { calls } = await ended(['create', 'kill', '0', h.stateDir, join(h.top, 'all')]);
    expect(calls).toBeGreaterThan(15);
    await each(points(calls, 12), async (n) => {
      const to = join(h.top, `b${n}`);
      const dir = join(h.top, `state${n}`);
      execFileSync('cp', ['-a', h.stateDir, dir]);
      expect(await ended(['create', 'kill', String(n), dir, to])).toMatchObject({ killed: true });
      for (const b of backupsIn(to, dir))
        expect(await verifyBackup(b, signal), `killed at ${n}`).toMatchObject({ ok: true });
      expect(await ended(['create', 'kill', '0', dir, to])).toMatchObject({ error: null });
      expect(seen(dir)).toMatchObject({ tokens: ['then'], audit: [] });
    });
  });

  it('on a full disk it says so, leaves nothing, and the state is as it was', async () => {
    const h = await twoStates();
    for (const action of ['create', 'restore']) {
      const { calls } = await h.run(action, 'full', 0, h.at(`${action}-all`));
      await each(points(calls, 8), async (n) => {
        const dir = h.at(`${action}-${n}`);
        const to = join(h.top, `${action}-to-${n}`);
        execFileSync('cp', ['-a', h.backups, to]);
        const [given] = readdirSync(to);
        const end = await ended([action, 'full', String(n), dir, to, given as string]);
        const state = seen(dir);
        // What is only convenience (the record of a backup) may be lost; whatever else failed is an error.
        if (action === 'restore' && state.tokens[0] === 'then') expect(state).toMatchObject(NEW);
        else expect(state, `${action} full at ${n}`).toMatchObject(OLD);
        if (end.error) expect(end.error.message).not.toContain('undefined');
        expect(readdirSync(to).filter((name) => name.includes('making'))).toEqual([]);
        for (const b of backupsIn(to, dir)) expect(await verifyBackup(b, signal)).toMatchObject({ ok: true });
      });
    }
  });
});

describe('the doctor', () => {
  it('warns where the timer is installed and the newest good one is older than three days', async () => {
    const h = house();
    const timer = join(h.top, 'timer');
    const config = { state: { dir: h.stateDir }, backup: { dir: h.backups, keep: 7 } };
    const told = async (now: number) =>
      (await backupChecks(config as never, now, [timer])).map((c) => `${c.code} ${c.severity}`);
    expect(await told(START)).toEqual(['backup info']);
    writeFileSync(timer, '');
    expect(await told(START)).toEqual(['backup warning']);
    await h.make();
    expect(await told(START + 2 * DAY)).toEqual(['backup ok']);
    expect(await told(START + 4 * DAY)).toEqual(['backup.old warning']);
    h.day();
    const { backup } = await h.make();
    appendFileSync(join(backup.path, 'audit.key'), ' ');
    expect(await told(START + 2 * DAY)).toEqual(['backup.bad warning', 'backup ok']);
    renameSync(timer, `${timer}.gone`);
    expect(await told(START + 9 * DAY)).toEqual(['backup.bad warning', 'backup ok']);
  });
});
