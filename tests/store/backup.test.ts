/** A copy of the state that is made while others write is of one moment; a plain copy of the same files is not. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { openAudit } from '../../src/store/audit.ts';
import { readKey } from '../../src/store/audit_key.ts';
import { verifyAudit } from '../../src/store/audit_verify.ts';
import { copyStore, type Manifest, readManifest, sumOf } from '../../src/store/backup.ts';
import { openBlobs } from '../../src/store/blobs.ts';
import { openDb } from '../../src/store/db.ts';
import { lookAtCopy } from '../../src/store/db_copy.ts';
import { openKept } from '../../src/store/kept.ts';
import { openReceipts } from '../../src/store/receipts.ts';
import { openState } from '../../src/store/state.ts';
import { openTokens } from '../../src/store/tokens.ts';
import { folder, memoryLog, newState } from './bench.ts';

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
});

async function writers(dir: string, count: number, ...few: string[]): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async () => {
      const child = spawn(process.execPath, [join(import.meta.dirname, 'backup_child.ts'), dir, ...few], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      children.push(child);
      await Promise.race([
        once(child.stdout, 'data'),
        once(child, 'exit').then(() => Promise.reject(new Error('the writer ended'))),
      ]);
    }),
  );
}

const signal = new AbortController().signal;
const copy = (from: string, to: string, over: Partial<Parameters<typeof copyStore>[0]> = {}) =>
  copyStore({ from, to, version: '1.2.3', signal, ...over });

async function copyPlainly(from: string, to: string): Promise<void> {
  for (const e of readdirSync(from, { withFileTypes: true, recursive: true })) {
    if (!e.isFile() || /leases|\.tmp$/.test(join(e.parentPath, e.name))) continue;
    const target = join(to, relative(from, e.parentPath), e.name);
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    try {
      const content = openSync(join(e.parentPath, e.name), 'r');
      const piece = Buffer.alloc(16_384);
      writeFileSync(target, '', { mode: 0o600 });
      for (let at = 0, n = 1; n > 0; at += n) {
        n = readSync(content, piece, 0, piece.length, at);
        appendFileSync(target, piece.subarray(0, n));
        await setImmediate();
      }
      closeSync(content);
    } catch {
      // Gone meanwhile.
    }
  }
}

/** What is wrong with a folder that is laid out as the state is, looked at with nothing of the backup's own. */
function wrongIn(dir: string): string[] {
  const wrong: string[] = [];
  try {
    const db = new DatabaseSync(join(dir, 'deckhand.db'), { readOnly: true });
    for (const r of db.prepare('PRAGMA integrity_check').all())
      if (r.integrity_check !== 'ok') wrong.push(`db: ${r.integrity_check}`);
    const blobs = openBlobs(join(dir, 'blobs'));
    for (const r of db.prepare('SELECT sha FROM blobs').all())
      if (!blobs.get(String(r.sha))) wrong.push(`blob ${r.sha}`);
    db.close();
  } catch (error) {
    wrong.push(`db: ${(error as Error).message}`);
  }
  const verdict = verifyAudit(join(dir, 'audit'), readKey(join(dir, 'audit.key')));
  wrong.push(...verdict.problems.map((p) => `audit: ${p.segment} ${p.what}`));
  try {
    if (JSON.parse(readFileSync(join(dir, 'tokens.json'), 'utf8')).version !== 1) wrong.push('tokens');
  } catch (error) {
    wrong.push(`tokens: ${(error as Error).message}`);
  }
  return wrong;
}

describe('under writers', () => {
  it('each copy is of one moment, and opens as a state; plain copies of the files are broken', async () => {
    const state = newState();
    const place = folder();
    await writers(state.dir, 2, 'few');
    const made: Manifest[] = [];
    for (let i = 0; i < 6; i++) made.push(await copy(state.dir, join(place, `b${i}`)));
    // The control: the same files copied plainly, at the speed of a folder on the network, until a copy is found broken.
    let broken: string[] = [];
    for (let i = 0; i < 20 && broken.length === 0; i++) {
      const naive = join(place, `naive${i}`);
      await copyPlainly(state.dir, naive);
      broken = wrongIn(naive);
    }
    expect(broken).not.toEqual([]);
    made.forEach((manifest, i) => {
      const dir = join(place, `b${i}`);
      expect(wrongIn(dir)).toEqual([]);
      expect(manifest).toMatchObject({
        version: '1.2.3',
        schema: lookAtCopy(join(dir, 'deckhand.db')).known,
        auditProblems: 0,
        lostBlobs: [],
      });
      expect(readManifest(dir)).toEqual(manifest);
      expect(sumOf(manifest)).toBe(manifest.sha256);
    });
    // As the product opens it: what was open there is closed, and the chain goes on.
    const dir = join(place, 'b5');
    const log = memoryLog();
    const again = openState(dir);
    const db = openDb(again, log);
    const receipts = openReceipts(again, db);
    const lines = receipts.list({ limit: 5 });
    expect(lines.length).toBe(5);
    for (const { id } of lines) expect(receipts.get(id)?.blob('old')?.length).toBeGreaterThan(5);
    db.close();
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(children.map((c) => (c.signalCode === null ? once(c, 'exit') : null)));
    const audit = openAudit(again, log);
    audit.append('start', {}, { durable: true });
    audit.close();
    expect(verifyAudit(again.audit, readKey(again.auditKey))).toMatchObject({ ok: true, open: [] });
    expect(openTokens(again, log).problem()).toBeNull();
  });
});

function filled() {
  const state = newState();
  const log = memoryLog();
  const db = openDb(state, log);
  const audit = openAudit(state, log);
  audit.append('call', { tool: 'a' });
  openTokens(state, log).add({ name: 'laptop', role: 'operator' });
  openKept(db).put({
    principal: 'p',
    scopes: [],
    tool: 't',
    data: { rows: ['kept secret row'] },
    foreignPaths: [],
    lists: ['rows'],
  });
  return { state, log, db, audit };
}

describe('what is in it', () => {
  it('holds nothing that belongs to a process, and no right that could be used a second time', async () => {
    const { state, db, audit } = filled();
    const approval = `INSERT INTO approvals (id, principal, scopes, tool, input_hash, digest, shown, targets, summary, state, created, expires)
      VALUES (?, 'p', '[]', 't', 'h', 'd', '{}', '[]', 's', ?, 1, 9e15)`;
    db.tx((sql) => {
      sql.run("INSERT INTO locks VALUES ('k', 't', 'o', 'l', 1)");
      for (const s of ['waiting', 'granted', 'used', 'refused']) sql.run(approval, `a_${s}`, s);
      sql.run("INSERT INTO approval_links VALUES ('h', 'a_waiting', 'c', 9)");
    });
    writeFileSync(join(state.dir, 'files-index.db'), 'x');
    writeFileSync(join(state.dir, 'control.sock'), '');
    const to = join(folder(), 'b');
    const manifest = await copy(state.dir, to, {
      extra: [{ path: 'config/config.yaml', content: Buffer.from('mode: x\n') }],
    });
    expect(
      manifest.files.map((f) =>
        f.path.replace(/audit\/\d.*/, 'audit/segment').replace(/running\/.*/, 'running/marker'),
      ),
    ).toEqual([
      'audit.key',
      'audit/segment',
      'audit/index.jsonl',
      'audit/running/marker',
      'config/config.yaml',
      'deckhand.db',
      'tokens.json',
    ]);
    for (const e of readdirSync(to, { withFileTypes: true, recursive: true }))
      expect(statSync(join(e.parentPath, e.name)).mode & 0o777).toBe(e.isDirectory() ? 0o700 : 0o600);
    expect(statSync(to).mode & 0o777).toBe(0o700);
    const copied = new DatabaseSync(join(to, 'deckhand.db'), { readOnly: true });
    for (const table of ['kept', 'locks', 'approval_links', 'work', 'quotas'])
      expect(copied.prepare(`SELECT count(*) AS n FROM ${table}`).get()).toEqual({ n: 0 });
    expect(
      copied
        .prepare('SELECT id, state FROM approvals ORDER BY id')
        .all()
        .map((r) => `${r.id} ${r.state}`),
    ).toEqual(['a_granted expired', 'a_refused refused', 'a_used used', 'a_waiting expired']);
    copied.close();
    // Nor in pages that nobody reads any more.
    expect(readFileSync(join(to, 'deckhand.db')).includes('kept secret')).toBe(false);
    expect(db.read((sql) => sql.get('SELECT count(*) AS n FROM locks'))).toEqual({ n: 1 });
    audit.close();
    db.close();
  });

  it('leaves a content out that was lost before, and says so', async () => {
    const { state, db, audit } = filled();
    const receipts = openReceipts(state, db);
    const common = {
      principal: 'p',
      scopes: [],
      tool: 't',
      risk: 'change' as const,
      call: 'c',
      input: {},
      targets: [],
      summary: 's',
      before: null,
    };
    receipts.put({ ...common, after: null, revert: { data: {}, blobs: { old: Buffer.from('one') } } });
    const sha = readdirSync(state.blobs).flatMap((p) => readdirSync(join(state.blobs, p)))[0] as string;
    rmSync(join(state.blobs, sha.slice(0, 2), sha));
    expect((await copy(state.dir, join(folder(), 'b'))).lostBlobs).toEqual([sha]);
    audit.close();
    db.close();
  });

  it('works without a database, without tokens, and of an empty state', async () => {
    const manifest = await copy(newState().dir, join(folder(), 'b'));
    expect(manifest).toMatchObject({ schema: null, files: [], auditProblems: 0 });
  });
});

describe('nothing is half done', () => {
  it('says no to a folder that is there, and leaves nothing behind when it is stopped or fails', async () => {
    const { state, db, audit } = filled();
    const place = folder();
    await copy(state.dir, join(place, 'b'));
    await expect(copy(state.dir, join(place, 'b'))).rejects.toMatchObject({ code: 'conflict' });
    await expect(
      copy(state.dir, join(place, 'c'), { signal: AbortSignal.abort(new Error('stopped')) }),
    ).rejects.toThrow('stopped');
    db.close();
    audit.close();
    writeFileSync(state.db, 'this is no database, and long enough to be looked at as one'.repeat(50));
    for (const part of ['-wal', '-shm']) rmSync(state.db + part, { force: true });
    await expect(copy(state.dir, join(place, 'c'))).rejects.toMatchObject({ code: 'unavailable' });
    expect(readdirSync(place)).toEqual(['b']);
    expect(existsSync(join(place, 'b', 'backup.json'))).toBe(true);
  });
});
