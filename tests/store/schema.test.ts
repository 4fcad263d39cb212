/** A store that an older Deckhand can use after a newer one had it: upgrades go back, and two versions run side by side for a moment. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openDb } from '../../src/store/db.ts';
import { openKept } from '../../src/store/kept.ts';
import { MIGRATIONS } from '../../src/store/migrations.ts';
import { readableSince, type Step } from '../../src/store/schema.ts';
import { memoryLog, newState, thrownBy } from './bench.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const TABLES = [...MIGRATIONS.join('\n').matchAll(/CREATE TABLE (\w+)/g)].map((m) => m[1] as string);
/** Each table of today with what a later version would add to it. */
const LATER = [
  ...TABLES.map((t) => `ALTER TABLE ${t} ADD COLUMN later TEXT NOT NULL DEFAULT 'x';`),
  'CREATE TABLE later (id INTEGER PRIMARY KEY, kept TEXT NOT NULL) STRICT;',
].join('\n');

/** What is wrong with a step that says of itself that it only adds. */
function addsMoreThanItMay(step: string): string[] {
  const made = new Set([...step.matchAll(/CREATE (?:VIRTUAL )?TABLE (\w+)/g)].map((m) => m[1]));
  const statements = step
    .replace(/--.*$/gm, '')
    .split(';')
    .map((s) => s.replace(/\s+/g, ' ').trim())
    .filter((s) => s !== '');
  return statements.filter((s) => {
    if (/^CREATE TABLE /.test(s) || /^CREATE INDEX /.test(s)) return false;
    // On a table of before, an older version's rows would be refused.
    const unique = /^CREATE UNIQUE INDEX \w+ ON (\w+)/.exec(s);
    if (unique) return !made.has(unique[1]);
    const column = /^ALTER TABLE \w+ ADD COLUMN (.*)$/.exec(s);
    return (
      !column ||
      (/NOT NULL/.test(column[1] ?? '') && !/DEFAULT/.test(column[1] ?? '')) ||
      /UNIQUE|CHECK|REFERENCES/.test(column[1] ?? '')
    );
  });
}

const newer = (extra: readonly Step[]) => [...MIGRATIONS, ...extra] as readonly Step[];

describe('an older Deckhand and a newer schema', () => {
  it('goes on with one that only added, writes its rows, and leaves the schema as it is', () => {
    const state = newState();
    openDb(state, memoryLog(), undefined, { steps: newer([LATER]) }).close();
    const db = openDb(state, memoryLog());
    const row = { principal: 'p', scopes: [], tool: 't', data: { a: 1 }, foreignPaths: [], lists: [] };
    expect(openKept(db).put(row)).toMatch(/^r_/);
    expect(db.degraded()).toBeNull();
    db.close();
    const raw = new DatabaseSync(state.db);
    expect(raw.prepare('PRAGMA user_version').get()).toEqual({ user_version: MIGRATIONS.length + 1 });
    expect(raw.prepare('SELECT later FROM kept').get()).toEqual({ later: 'x' });
    raw.close();
    // And the newer one finds nothing to do, and the older one's row.
    const again = openDb(state, memoryLog(), undefined, { steps: newer([LATER]) });
    expect(again.read((sql) => sql.get('SELECT count(*) AS n FROM kept'))).toEqual({ n: 1 });
    again.close();
  });

  it('is refused by one that says so, and nothing is changed', () => {
    const state = newState();
    const breaking = { sql: 'ALTER TABLE kept RENAME COLUMN data TO body', readableFrom: MIGRATIONS.length + 1 };
    openDb(state, memoryLog(), undefined, { steps: newer([breaking, LATER]) }).close();
    const before = readFileSync(state.db);
    expect(thrownBy(() => openDb(state, memoryLog()))).toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(`schema ${MIGRATIONS.length + 2}`),
      hint: expect.stringContaining('--restore-store'),
    });
    expect(readFileSync(state.db).equals(before)).toBe(true);
    // Code that knows the breaking step, but not the one after it, may.
    openDb(state, memoryLog(), undefined, { steps: newer([breaking]) }).close();
  });

  it('control: had that step not said so, the older one would fail in the middle of its work', () => {
    const state = newState();
    openDb(state, memoryLog(), undefined, { steps: newer(['ALTER TABLE kept RENAME COLUMN data TO body']) }).close();
    const db = openDb(state, memoryLog());
    const row = { principal: 'p', scopes: [], tool: 't', data: { a: 1 }, foreignPaths: [], lists: [] };
    expect(() => openKept(db).put(row)).toThrow(/no column named data/);
    db.close();
  });

  it('is refused where nothing says from when on it can be used', () => {
    const state = newState();
    openDb(state, memoryLog(), undefined, { steps: newer([LATER]) }).close();
    const raw = new DatabaseSync(state.db);
    raw.exec('DROP TABLE readable');
    raw.close();
    expect(thrownBy(() => openDb(state, memoryLog()))).toMatchObject({ code: 'conflict' });
  });

  it('says what is written: the newest bound of all steps', () => {
    expect(readableSince(MIGRATIONS)).toBe(1);
    expect(readableSince(['a', { sql: 'b', readableFrom: 2 }, 'c'])).toBe(2);
  });
});

describe('the schema of a state', () => {
  it('only adds in each step that says nothing else', () => {
    for (const [i, step] of (MIGRATIONS as readonly Step[]).entries())
      if (typeof step === 'string') expect(addsMoreThanItMay(step), `step ${i + 1}`).toEqual([]);
  });

  it('control: that look finds what an older version stumbles over', () => {
    for (const step of [
      'ALTER TABLE kept ADD COLUMN more TEXT NOT NULL',
      'ALTER TABLE kept RENAME COLUMN data TO body',
      'DROP TABLE work',
      'CREATE UNIQUE INDEX one ON receipts (call)',
      "CREATE TRIGGER t BEFORE INSERT ON kept BEGIN SELECT RAISE(ABORT, 'no'); END",
      "UPDATE kept SET scopes = 'x'",
    ])
      expect(addsMoreThanItMay(step), step).not.toEqual([]);
  });

  it('is written by name: a value by its place fails on a table with one column more', () => {
    for (const file of globSync('src/**/*.ts', { cwd: root })) {
      // An index of files is begun anew by whoever does not know it.
      if (/file_index/.test(file)) continue;
      expect(readFileSync(join(root, file), 'utf8'), file).not.toMatch(/INSERT (?:OR \w+ )?INTO \w+ VALUES/);
    }
    const state = newState();
    const db = openDb(state, memoryLog(), undefined, { steps: newer([LATER]) });
    // Control.
    expect(() => db.tx((sql) => sql.run('INSERT INTO probe VALUES (1, 1)'))).toThrow(/has 3 columns but 2 values/);
    db.close();
  });
});
