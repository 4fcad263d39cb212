/** Backups of the state: what is good, what is kept, what a restore may do; and what is left when any of it is killed or the disk is full. */
import { execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
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
import { openBlobs } from '../../src/store/blobs.ts';
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
    expect((await h.verify()).problems).toContain('audit/more.jsonl does not belong to it');
  });

  it('files of many pieces are copied and looked at whole', async () => {
    const h = house();
    const bytes = randomBytes(5_000_001);
    const put = openBlobs(join(h.stateDir, 'blobs')).put(bytes);
    const db = openDb(openState(h.stateDir), log);
    db.tx((sql) => sql.run('INSERT INTO blobs VALUES (?, ?)', put.sha, put.bytes));
    db.close();
    const { backup } = await h.make();
    expect(backup.bytes).toBeGreaterThan(5_000_000);
    for (let i = 0; i < 5; i++) expect(await h.verify()).toEqual({ ok: true, problems: [], notes: [] });
    await h.put(backup.name);
    expect(openBlobs(join(h.stateDir, 'blobs')).get(put.sha)?.length).toBe(bytes.length);
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

interface Runs {
  killed: boolean;
  calls: number;
  runs: { n: number; error: string | null }[];
}
/** See backup_child.ts. */
const ended = (action: string, how: string, top: string, given: string, n: number | 'all' | 'third') =>
  new Promise<Runs>((done) => {
    const args = [join(import.meta.dirname, 'backup_child.ts'), action, how, top, given, String(n)];
    execFile(process.execPath, args, { maxBuffer: 1 << 24 }, (error, stdout) =>
      done({
        killed: (error as { signal?: string } | null)?.signal === 'SIGKILL',
        ...JSON.parse(stdout || '{"calls":0,"runs":[]}'),
      }),
    );
  });

describe('ended in the middle', () => {
  const OLD = { tokens: ['now'], receipts: ['now old now'], audit: [] };
  const NEW = { tokens: ['then'], receipts: ['then old then'], audit: [] };

  /** Backups of `then`, and a state that is `now`. */
  async function twoStates() {
    const h = house();
    const { backup } = await h.make();
    rmSync(h.stateDir, { recursive: true });
    fill(h.stateDir, 'now');
    return { ...h, name: backup.name };
  }
  /** Whole: either of the two, and nothing of the other. */
  function endOf(dir: string): 'old' | 'new' | 'mixed' {
    const { restores, ...state } = seen(dir);
    const is = (whole: object, n: number) => JSON.stringify(state) === JSON.stringify(whole) && restores === n;
    return is(NEW, 1) ? 'new' : is(OLD, 0) ? 'old' : 'mixed';
  }

  it('a restore leaves the old state or the new one, whole; a copy file by file does not', async () => {
    const h = await twoStates();
    const { calls, runs } = await ended('restore', 'dead', h.top, h.name, 'all');
    expect(calls).toBeGreaterThan(40);
    const ends = runs.map(({ n }) => endOf(join(h.top, `dead-${n}`, 'state')));
    expect(ends.lastIndexOf('old')).toBeLessThan(ends.indexOf('new'));
    expect([...new Set(ends)]).toEqual(['old', 'new']);
    // More than one step lies behind the moment from which it is the new state.
    expect(ends.filter((e) => e === 'new').length).toBeGreaterThan(10);
    for (const { n } of runs) expect(existsSync(join(h.top, `dead-${n}`, 'state', 'restore.json'))).toBe(false);
    // A way on: the same again, to its end. And the kill itself, at the turn, is no other than what was taken for it.
    const turn = ends.indexOf('new') + 1;
    const o = { folder: h.backups, given: h.name, signal, log, stateDir: join(h.top, `dead-${turn - 1}`, 'state') };
    await restore(o, await planRestore(o));
    expect(endOf(o.stateDir)).toBe('new');
    expect(readdirSync(o.stateDir).filter((name) => name.startsWith('restoring-'))).toEqual([]);
    for (const n of [turn - 1, turn, turn + 4, calls - 1]) {
      expect(await ended('restore', 'kill', h.top, h.name, n)).toMatchObject({ killed: true });
      expect(endOf(join(h.top, `kill-${n}`, 'state')), `killed at ${n}`).toBe(n < turn ? 'old' : 'new');
    }
    const again = await twoStates();
    const naive = await ended('naive', 'dead', again.top, again.name, 'all');
    const left = naive.runs.map(({ n }) => endOf(join(again.top, `dead-${n}`, 'state')));
    expect(left).toContain('mixed');
  });

  it('a backup never stands half done under its name, and the next one is made', async () => {
    const h = await twoStates();
    const { calls, runs } = await ended('create', 'dead', h.top, h.name, 'third');
    expect(runs.length).toBeGreaterThan(5);
    for (const { n } of runs) {
      const dir = join(h.top, `dead-${n}`, 'state');
      const to = join(h.top, `dead-${n}`, 'backups');
      for (const b of backupsIn(to, dir))
        expect(await verifyBackup(b, signal), `ended at ${n}`).toMatchObject({ ok: true });
      expect(seen(dir)).toMatchObject(OLD);
      if (n % 2 === 0) await createBackup({ stateDir: dir, folder: to, keep: 9, version: '1', signal, log, extra: [] });
    }
    expect(await ended('create', 'kill', h.top, h.name, calls - 3)).toMatchObject({ killed: true });
  });

  it('on a full disk it says so, leaves nothing, and the state is as it was', async () => {
    for (const action of ['create', 'restore']) {
      const h = await twoStates();
      const { runs } = await ended(action, 'full', h.top, h.name, 'third');
      let failed = 0;
      for (const { n, error } of runs) {
        const dir = join(h.top, `full-${n}`, 'state');
        const to = join(h.top, `full-${n}`, 'backups');
        const end = endOf(dir);
        if (error) failed++;
        expect(end === 'old' || (action === 'restore' && end === 'new'), `${action} full at ${n}: ${end}`).toBe(true);
        expect(readdirSync(to).filter((name) => name.includes('making'))).toEqual([]);
        expect(readdirSync(dir).filter((name) => name.startsWith('restoring-'))).toEqual([]);
        for (const b of backupsIn(to, dir)) expect(await verifyBackup(b, signal)).toMatchObject({ ok: true });
      }
      expect(failed).toBeGreaterThan(5);
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
