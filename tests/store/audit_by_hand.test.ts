/** docs/audit.md says how an audit is verified without Deckhand. The program in it is taken from the page and run. */
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openAudit } from '../../src/store/audit.ts';
import type { StateDir } from '../../src/store/state.ts';
import { segmentsOf, verified, written } from './audit_tamper.ts';
import { folder, memoryLog } from './bench.ts';

const page = readFileSync(new URL('../../docs/audit.md', import.meta.url), 'utf8');
const program = /```python\n([\s\S]*?)```/.exec(page)?.[1] as string;
const python = spawnSync('python3', ['--version']).status === 0;
if (!python) process.stderr.write('SKIPPED: there is no python3, so the program of docs/audit.md is not run.\n');

function run(state: StateDir) {
  const { status, stdout, stderr } = spawnSync('python3', ['-c', program, state.dir], { encoding: 'utf8' });
  return { status, out: stdout, err: stderr.trim() };
}

function audit(): StateDir {
  const state = written(join(folder(), 'state'), 3, 12);
  const odd = openAudit(state, memoryLog());
  odd.append('call', {
    text: 'a\u001b[2J\u009b1m\u202e\u{e0041}\ud800 \udb40 \\u202e "\\" \u007f\u2028é😀\r\n\t',
    'key\u200b': { 'a\\b': [1e-7, 1e21, 0.1, -0, 365.405, true, null] },
  });
  odd.append('intent', { call: 'x' }, { durable: true });
  odd.append('call', { call: 'x', outcome: 'done' });
  odd.close();
  expect(verified(state)).toMatchObject({ ok: true });
  return state;
}

describe.runIf(python)('the program of docs/audit.md', () => {
  it('says of a real audit what deckhand says, also where its texts are odd', () => {
    const state = audit();
    const { status, out, err } = run(state);
    expect(err).toBe('');
    expect(status).toBe(0);
    for (const name of segmentsOf(state)) expect(out).toContain(name);
    expect(out.match(/records/g)).toHaveLength(4);
  });

  it.each<[string, (state: StateDir, name: string, path: string) => void, RegExp]>([
    [
      'a changed value',
      (_, __, p) => writeFileSync(p, readFileSync(p, 'utf8').replace('"limit":4', '"limit":5')),
      /:6: not as it was written/,
    ],
    [
      'a deleted line',
      (_, __, p) => writeFileSync(p, readFileSync(p, 'utf8').split('\n').toSpliced(3, 1).join('\n')),
      /:4: not as/,
    ],
    [
      'a cut end',
      (_, __, p) => writeFileSync(p, readFileSync(p, 'utf8').split('\n').slice(0, 9).join('\n').concat('\n')),
      /shortened/,
    ],
    [
      'a line that is no record',
      (_, __, p) => writeFileSync(p, readFileSync(p, 'utf8').replace('{', '[')),
      /:1: not as it was written/,
    ],
    ['a file removed', (_, __, p) => rmSync(p), /No such file/],
    [
      'a file more',
      (s) => writeFileSync(join(s.audit, '20261121T000000000Z-1-abcdef12.jsonl'), ''),
      /not in the index/,
    ],
    [
      'the index changed',
      (s) =>
        writeFileSync(
          join(s.audit, 'index.jsonl'),
          readFileSync(join(s.audit, 'index.jsonl'), 'utf8').replace('"close"', '"cloze"'),
        ),
      /index.jsonl:2: not as/,
    ],
  ])('and names %s', (_, how, says) => {
    const state = audit();
    const name = segmentsOf(state)[1] as string;
    how(state, name, join(state.audit, name));
    const { status, err } = run(state);
    expect(status).toBe(1);
    expect(err).toMatch(says);
  });
});

it('the page names every event that the product writes', () => {
  const root = new URL('../../', import.meta.url).pathname;
  const events = new Set<string>();
  for (const file of globSync('src/**/*.ts', { cwd: root }))
    for (const m of readFileSync(join(root, file), 'utf8').matchAll(/\b(?:audit\??\.append|stamp)\(\s*'([a-z_]+)'/g))
      events.add(m[1] as string);
  expect(events.size).toBeGreaterThan(8);
  for (const event of events) expect(page, event).toContain(`\`${event}\``);
});
