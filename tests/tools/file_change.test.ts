/** Changes of files through the door, on a real disk: what is asked for, what is told, what stays, and the way back. */
import fs from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Verdict } from '../../src/core/validate.ts';
import { upTo } from '../counts.ts';
import { type House, house, operator, said, sha } from './file_house.ts';
import { roundtrip } from './file_roundtrip.ts';

let h: House;
beforeEach(() => {
  h = house();
});
afterEach(() => h.close());
const write = (name: string, content: string, more: object = {}) => ({ path: h.at(name), content, ...more });
const edit = (name: string, edits: object[], more: object = {}) => ({ path: h.at(name), edits, ...more });
const undo = (receipt: unknown) => h.call('undo', { receipt });
const handleOf = (out: object) => String((out as { data?: { handle?: string } }).data?.handle);
const mode = (name: string) => fs.statSync(h.at(name)).mode & 0o7777;

describe('file_write', () => {
  test('creates: tells what it would do first, does it, and undo removes just that', async () => {
    const dry = await h.done('file_write', { ...write('new.txt', 'one\ntwo\n'), dry_run: true });
    expect(dry).toMatchObject({ state: 'dry_run', before: { exists: false } });
    expect(dry.summary).toBe(`Create ${h.at('new.txt')} (8 B, +2 −0 lines).`);
    expect(dry.diff).toBe(`--- /dev/null\n+++ ${h.at('new.txt')}\n@@ -0,0 +1,2 @@\n+one\n+two`);
    expect(h.there('new.txt')).toBe(false);

    const done = await h.done('file_write', write('new.txt', 'one\ntwo\n', { mode: '0600' }));
    expect(done).toMatchObject({ state: 'done', after: { bytes: 8, mode: '0600', sha256: sha('one\ntwo\n') } });
    expect([h.text('new.txt'), mode('new.txt')]).toEqual(['one\ntwo\n', 0o600]);
    expect(said(await undo(done.receipt))).toMatch(/is gone again/);
    expect(h.there('new.txt')).toBe(false);
  });

  test('replaces only what the caller has read, keeps its mode, and undo puts it back byte for byte', async () => {
    h.put('f', 'old\n', 0o640);
    expect(await h.refused('file_write', write('f', 'new\n'))).toMatch(
      /^conflict: .* is there already .*expect_sha256/,
    );
    expect(await h.refused('file_write', write('f', 'new\n', { expect_sha256: sha('other') }))).toMatch(
      /^conflict: .*not as it was read/,
    );
    expect(await h.refused('file_write', write('none', 'x', { expect_sha256: sha('x') }))).toMatch(
      /^conflict: .*not there/,
    );
    expect(await h.refused('file_write', write('f', 'x', { expect_sha256: sha('old\n'), mode: '0600' }))).toMatch(
      /^validation: .*keeps its mode/,
    );
    expect(h.text('f')).toBe('old\n');
    const done = await h.done('file_write', write('f', 'new\n', { expect_sha256: sha('old\n') }));
    expect([h.text('f'), mode('f')]).toEqual(['new\n', 0o640]);
    expect(done.diff).toContain('-old\n+new');
    expect(await undo(done.receipt)).toMatchObject({
      status: 'done',
      data: { after: { sha256: sha('old\n'), mode: '0640' } },
    });
    expect([h.text('f'), mode('f')]).toEqual(['old\n', 0o640]);
  });

  test('takes bytes, says nothing to do where it is so already, and refuses halves, folders and what is too much', async () => {
    const bytes = Buffer.from([0, 255, 1, 2]);
    const done = await h.done('file_write', { path: h.at('b'), base64: bytes.toString('base64') });
    expect(h.bytes('b')).toEqual(bytes);
    expect(done.diff).toContain('binary: nothing → 4 B');
    const again = await h.done('file_write', {
      path: h.at('b'),
      base64: bytes.toString('base64'),
      expect_sha256: sha(bytes),
    });
    expect([again.summary, again.receipt]).toEqual([`${h.at('b')} is so already; nothing was changed.`, undefined]);
    expect(await h.refused('file_write', { path: h.at('c') })).toMatch(/^validation: .*exactly one/);
    expect(await h.refused('file_write', write('c', 'x', { base64: 'eA==' }))).toMatch(/^validation/);
    expect(await h.refused('file_write', write('c', '\ud800'))).toMatch(/^validation: .*whole characters/);
    expect(await h.refused('file_write', write('c', 'ü'.repeat(40_000)))).toMatch(/^limit: .*file_upload/);
    expect(await h.refused('file_write', write('no/where', 'x'))).toMatch(/^not_found: .*folders are not made here/);
    expect(await h.refused('file_write', { path: 'relative', content: '' })).toMatch(/^validation/);
    expect(await h.refused('file_write', { path: '/somewhere/else', content: '' })).toMatch(
      /^permission: .*files\.roots/,
    );
    fs.mkdirSync(h.at('folder'));
    expect(await h.refused('file_write', write('folder', 'x'))).not.toMatch(/^internal/);
    expect(await h.refused('file_write', write('.env', 'A=1'))).toMatch(/^permission: .*deny list/);
    expect(await h.refused('file_write', write('c', '-----BEGIN PRIVATE KEY-----\nMIIE\n'))).toMatch(/^permission/);
    const big = h.put('big', Buffer.alloc(9 * 1024 * 1024));
    expect(await h.refused('file_write', { path: big, content: 'x', expect_sha256: sha('x') })).toMatch(
      /^limit: .*larger than 8\.0 MiB.*kept for undo/,
    );
  });
});

describe('file_edit', () => {
  test('changes texts and lines in one go, all or none, and tells the difference', async () => {
    h.put('f', 'a = 1\nb = 2\nc = 3\nd = 4\n');
    const edits = [
      { find: 'b = 2', replace: 'b = 20' },
      { lines: '4', replace: 'd = 40' },
      { lines: '4+', replace: 'e = 5' },
    ];
    const done = await h.done('file_edit', edit('f', edits));
    expect(h.text('f')).toBe('a = 1\nb = 20\nc = 3\nd = 40\ne = 5\n');
    expect(done.summary).toMatch(/^Changed .* \(24 B → 32 B, \+3 −2 lines\)\.$/);
    expect(done.diff?.split('\n').slice(2)).toEqual([
      '@@ -1,4 +1,5 @@',
      ' a = 1',
      '-b = 2',
      '+b = 20',
      ' c = 3',
      '-d = 4',
      '+d = 40',
      '+e = 5',
    ]);
    expect(
      await h.refused(
        'file_edit',
        edit('f', [
          { find: 'a = 1', replace: 'x' },
          { find: 'zzz', replace: '' },
        ]),
      ),
    ).toMatch(/^not_found: Edit 2: its text is not in the file\. No line is like it/);
    expect(h.text('f')).toBe('a = 1\nb = 20\nc = 3\nd = 40\ne = 5\n');
    await undo(done.receipt);
    expect(h.text('f')).toBe('a = 1\nb = 2\nc = 3\nd = 4\n');
  });

  test('names the nearest line, without the secret in it', async () => {
    h.put('app.conf', 'user = ana\npassword = hunter2hunter2\nport = 80\n');
    expect(await h.refused('file_edit', edit('app.conf', [{ find: 'port =  80', replace: 'x' }]))).toMatch(
      /nearest is line 3 and differs only in white space: "port = 80"/,
    );
    const out = await h.refused('file_edit', edit('app.conf', [{ find: 'password = hunter1', replace: 'x' }]));
    expect(out).toMatch(/nearest is line 2/);
    expect(out).not.toContain('hunter2');
  });

  test('is bound to what was read, where that is given', async () => {
    h.put('f', 'a\n');
    const args = edit('f', [{ find: 'a', replace: 'b' }], { expect_sha256: sha('other\n') });
    expect(await h.refused('file_edit', args)).toMatch(/^conflict/);
    await h.done('file_edit', { ...args, expect_sha256: sha('a\n') });
    expect(h.text('f')).toBe('b\n');
    expect(await h.refused('file_edit', edit('none', [{ find: 'a', replace: 'b' }]))).toMatch(
      /^not_found: .*file_write/,
    );
    expect(await h.refused('file_edit', edit('f', []))).toMatch(/^validation/);
    for (const bad of [
      { replace: 'x' },
      { find: 'b', lines: '1', replace: 'x' },
      { lines: '1-', replace: '' },
      { lines: '9', replace: '' },
      { lines: '2-1', replace: 'x' },
      { lines: '1', all: true, replace: '' },
    ])
      expect(await h.refused('file_edit', edit('f', [bad]))).toMatch(/^validation/);
    h.put('nul', 'a\0b');
    expect(await h.refused('file_edit', edit('nul', [{ find: 'a', replace: 'b' }]))).toMatch(/^validation: .*binary/);
  });

  test('refuses a mark in its arguments, so that no redacted text is written back', async () => {
    h.put('f', 'password = hunter2hunter2\nx = 1\n');
    const dry = await h.done('file_edit', { ...edit('f', [{ find: 'x = 1', replace: 'x = 2' }]), dry_run: true });
    const mark = /⟦redacted:[a-z-]+⟧/.exec(dry.diff ?? '')?.[0] ?? '';
    expect(mark).not.toBe('');
    expect(dry.diff).not.toContain('hunter2');
    for (const [tool, args] of [
      ['file_edit', edit('f', [{ lines: '1', replace: `password = ${mark}` }])],
      ['file_edit', edit('f', [{ find: `password = ${mark}`, replace: 'x' }])],
      ['file_write', write('f', `password = ${mark}\nx = 2\n`, { expect_sha256: sha(h.text('f')) })],
      ['file_write', write('f', '⟦312 lines left out⟧\n', { expect_sha256: sha(h.text('f')) })],
    ] as const)
      expect(await h.refused(tool, args)).toMatch(/^validation: An argument holds a ⟦…⟧ mark/);
    expect(h.text('f')).toBe('password = hunter2hunter2\nx = 1\n');
  });

  test('where the secret itself changes, says that it does, and shows neither', async () => {
    h.put('f', 'password = hunter2hunter2\n');
    const done = await h.done('file_edit', {
      ...edit('f', [{ find: 'hunter2hunter2', replace: 'correct-horse-battery' }]),
      dry_run: true,
    });
    expect(JSON.stringify(done)).not.toMatch(/hunter2|horse/);
    expect(done.summary).toContain('What differs in one line is secret or cannot be seen, and is not shown.');
    const real = await h.done('file_edit', edit('f', [{ find: 'hunter2hunter2', replace: 'correct-horse-battery' }]));
    await undo(real.receipt);
    expect(h.text('f')).toBe('password = hunter2hunter2\n');
  });
});

test('a name that is no text is a file: URL, as file_list gives it', async () => {
  const name = Buffer.concat([Buffer.from(`${h.dir}/`), Buffer.from([0xff, 0x61])]);
  const path = `file://${h.dir}/%ffa`;
  const made = await h.done('file_write', { path, content: 'one\n' });
  expect(fs.readFileSync(name, 'utf8')).toBe('one\n');
  await h.done('file_edit', { path, edits: [{ find: 'one', replace: 'two' }] });
  expect(fs.readFileSync(name, 'utf8')).toBe('two\n');
  await h.done('file_move', { from: path, to: h.at('b') });
  await h.done('file_move', { from: h.at('b'), to: path });
  const gone = await h.done('file_delete', { path });
  expect(fs.existsSync(name)).toBe(false);
  await undo(gone.receipt);
  expect(fs.readFileSync(name, 'utf8')).toBe('two\n');
  expect(said(await undo(made.receipt))).toMatch(/^conflict/);
  expect(await h.refused('file_write', { path: `file://${h.dir}/%zz`, content: '' })).toMatch(/^validation/);
});

describe('undo of a content', () => {
  test('is refused when the file has moved on, and says to what', async () => {
    h.put('f', 'one\n');
    const { receipt } = await h.done('file_edit', edit('f', [{ find: 'one', replace: 'two' }]));
    h.put('f', 'three\n');
    expect(said(await undo(receipt))).toMatch(
      /^conflict: .*has moved on: it was changed at 20\d\d-.*6 bytes.*left with 4 bytes/,
    );
    fs.rmSync(h.at('f'));
    expect(said(await undo(receipt))).toMatch(/^conflict: .*not there any more/);
    h.put('f', 'two\n');
    expect(said(await undo(receipt))).toMatch(/"state":"done"/);
    expect(h.text('f')).toBe('one\n');
    expect(said(await undo(receipt))).toMatch(/^conflict: .*undone already/);
  });

  test('finds nothing to do where somebody has put it back already', async () => {
    h.put('f', 'one\n');
    const { receipt } = await h.done('file_edit', edit('f', [{ find: 'one', replace: 'two' }]));
    h.put('f', 'one\n');
    expect(said(await undo(receipt))).toMatch(/as it was before; nothing was changed/);
  });

  test('of a change that never told its end: old and new are both proper, anything else is not', async () => {
    for (const [state, want] of [
      ['old\n', /nothing was changed/],
      ['new\n', /old content .* is back/],
      ['other\n', /^conflict/],
    ] as const) {
      h.put('f', 'old\n');
      const id = h.r.receipts.prepare({
        principal: operator.id,
        scopes: ['files:write'],
        tool: 'file_write',
        risk: 'change',
        call: 'c',
        input: { path: h.at('f'), content: 'new\n', keep_owner: true, overrule: false, dry_run: false },
        targets: [{ kind: 'path', name: h.at('f') }],
        summary: 's',
        before: { exists: true, sha256: sha('old\n') },
        revert: { data: { made: sha('new\n'), existed: true }, blobs: { was: Buffer.from('old\n') } },
      });
      h.put('f', state);
      expect(said(await undo(id))).toMatch(want);
      expect(h.text('f')).toBe(state === 'other\n' ? state : 'old\n');
    }
  });

  test('without the old bytes is refused', async () => {
    h.put('f', 'one\n');
    const { receipt } = await h.done('file_edit', edit('f', [{ find: 'one', replace: 'two' }]));
    const get = h.r.receipts.get.bind(h.r.receipts);
    h.r.receipts.get = (id) => {
      const row = get(id);
      return row && { ...row, blob: () => null };
    };
    expect(said(await undo(receipt))).toMatch(/^unavailable: .*lost/);
    expect(h.text('f')).toBe('two\n');
  });
});

describe('an approval', () => {
  test('binds the state that was shown: a file that moves on meanwhile is not changed', async () => {
    h.close();
    h = house({ mode: 'ask' });
    h.put('f', 'one\n');
    const args = edit('f', [{ find: 'one', replace: 'two' }]);
    const asked = await h.call('file_edit', args);
    expect(asked).toMatchObject({ status: 'pending', data: { diff: expect.stringContaining('+two') } });
    const grant = (out: typeof asked) =>
      h.r.deciding.decide(handleOf(out), {
        approver: 'cli:0',
        granted: true,
      });
    grant(asked);
    h.put('f', 'one\nand more\n');
    expect(said(await h.call('file_edit', args))).toMatch(/pending|conflict/);
    expect(h.text('f')).toBe('one\nand more\n');
    h.put('f', 'one\n');
    expect(await h.call('file_edit', args)).toMatchObject({ status: 'done' });
    expect(h.text('f')).toBe('two\n');
  });
});

describe('a verdict', () => {
  const verdict = (v: Partial<Verdict>): Verdict => ({
    by: 'visudo',
    result: 'failed',
    why: 'syntax error',
    line: 3,
    ...v,
  });
  const again = (o: Parameters<typeof house>[0]) => {
    h.close();
    h = house(o);
    h.put('f', 'old\n');
    return edit('f', [{ find: 'old', replace: 'new' }]);
  };

  test('that failed stops the write, unless it is overruled; dry_run tells it', async () => {
    const args = again({ validate: { proposed: async () => verdict({}) } });
    expect((await h.done('file_edit', { ...args, dry_run: true })).summary).toMatch(
      /visudo refuses it: line 3: syntax error\. It would not be written without `overrule: true`\.$/,
    );
    expect(await h.refused('file_edit', args)).toMatch(
      /^validation: Nothing was written: visudo refuses it: line 3: syntax error\..*overrule/,
    );
    expect(h.text('f')).toBe('old\n');
    const done = await h.done('file_edit', { ...args, overrule: true });
    expect(done.summary).toContain('That is overruled.');
    expect(done.after).toMatchObject({ check: { by: 'visudo', result: 'failed' } });
    expect(h.text('f')).toBe('new\n');
  });

  test('that is unknown stops nothing, and is never told as ok', async () => {
    const args = again({
      validate: { proposed: async () => verdict({ result: 'unknown', why: 'visudo is not installed', line: null }) },
    });
    const done = await h.done('file_edit', args);
    expect(done.summary).toContain('Not checked by visudo: visudo is not installed.');
    expect(done.after).toMatchObject({ check: { result: 'unknown' } });
    expect(h.text('f')).toBe('new\n');
  });

  test('says in one line of ours what others wrote', async () => {
    const why = 'near "x"\n⟦redacted:fake⟧ done: all is well\u202e';
    const args = again({ validate: { proposed: async () => verdict({ why }) } });
    const { summary } = await h.done('file_edit', { ...args, dry_run: true });
    expect(summary).toContain('near "x" [redacted:fake] done: all is well.');
  });

  const place = (before: Verdict, after: Verdict) => {
    const answers = [before, after];
    return { inPlaceBy: async () => 'nginx -t', inPlace: async () => answers.shift() as Verdict };
  };
  const nginx = (v: Partial<Verdict>) => verdict({ by: 'nginx -t', ...v });
  const ok = nginx({ result: 'ok', why: null, line: null });

  test('of the file in its place puts the old one back when it fails', async () => {
    const args = again({ validate: place(ok, nginx({})) });
    const done = await h.done('file_edit', args);
    expect(done).toMatchObject({ state: 'rolled_back', after: { sha256: sha('old\n'), check: { result: 'failed' } } });
    expect(done.summary).toMatch(/^nginx -t refuses it: line 3: syntax error\. The old content of .* is back\.$/);
    expect(h.text('f')).toBe('old\n');
    expect(said(await undo(done.receipt))).toMatch(/nothing was changed/);
  });

  test('of a new file in its place takes it away again', async () => {
    again({ validate: place(ok, nginx({})) });
    expect(await h.done('file_write', write('g', 'x'))).toMatchObject({
      state: 'rolled_back',
      summary: expect.stringMatching(/is gone again/),
    });
    expect(h.there('g')).toBe(false);
  });

  test('that failed before already is not the fault of this change', async () => {
    const args = again({ validate: place(nginx({}), nginx({})) });
    expect((await h.done('file_edit', args)).summary).toContain('failed before already, and still does');
    expect(h.text('f')).toBe('new\n');
  });

  test('in place is asked for only when the change was approved, and its failure can be overruled', async () => {
    let asked = 0;
    const args = again({
      validate: { inPlaceBy: async () => 'nginx -t', inPlace: async () => nginx({ line: ++asked }) },
      mode: 'ask',
    });
    const out = await h.call('file_edit', args);
    expect(out).toMatchObject({
      status: 'pending',
      data: { summary: expect.stringContaining('Once written, nginx -t looks at it') },
    });
    await h.done('file_edit', { ...args, dry_run: true });
    expect(asked).toBe(0);
    const args2 = again({ validate: place(ok, nginx({})) });
    expect((await h.done('file_edit', { ...args2, overrule: true })).state).toBe('done');
    expect(h.text('f')).toBe('new\n');
  });

  test('after which the old content cannot be put back names the receipt', async () => {
    const args = again({ validate: place(ok, nginx({})) });
    const { write: real } = h.host.files.changer;
    let writes = 0;
    h.host.files.changer.write = async (...a) => {
      if (++writes > 1) throw new Error('disk on fire');
      return real(...a);
    };
    const out = await h.call('file_edit', args);
    expect(said(out)).toMatch(/nginx -t refuses it.*could not be put back.*undo \{"receipt":"t_/);
    h.host.files.changer.write = real;
    const receipt = out.status === 'failed' && out.error.details.receipt;
    expect(said(await undo(receipt))).toMatch(/"state":"done"/);
    expect(h.text('f')).toBe('old\n');
  });
});

describe('file_move', () => {
  test('moves files and folders, never over something, and undo moves them back', async () => {
    h.put('a', 'x');
    h.put('sub/b', 'y');
    const dry = await h.done('file_move', { from: h.at('a'), to: h.at('sub/a'), dry_run: true });
    expect(dry.summary).toBe(`Move ${h.at('a')} (file, 1 B) to ${h.at('sub/a')}.`);
    const done = await h.done('file_move', { from: h.at('a'), to: h.at('sub/a') });
    expect([h.there('a'), h.text('sub/a')]).toEqual([false, 'x']);
    expect(await h.refused('file_move', { from: h.at('sub/a'), to: h.at('sub/b') })).toMatch(
      /^conflict: .*there already/,
    );
    expect(await h.refused('file_move', { from: h.at('none'), to: h.at('c') })).toMatch(/^not_found/);
    expect(await h.refused('file_move', { from: h.at('sub/a'), to: h.at('no/where') })).toMatch(
      /^not_found: .*folders are not made/,
    );
    expect(await h.refused('file_move', { from: h.at('sub'), to: h.at('sub/in') })).toMatch(
      /^validation: .*into itself/,
    );
    expect(said(await undo(done.receipt))).toMatch(/is back/);
    expect([h.text('a'), h.there('sub/a')]).toEqual(['x', false]);

    const folder = await h.done('file_move', { from: h.at('sub'), to: h.at('other') });
    expect(h.text('other/b')).toBe('y');
    await undo(folder.receipt);
    expect(h.text('sub/b')).toBe('y');
  });

  test('its undo is refused where either end has moved on', async () => {
    h.put('a', 'x');
    const one = await h.done('file_move', { from: h.at('a'), to: h.at('b') });
    h.put('a', 'new');
    expect(said(await undo(one.receipt))).toMatch(/^conflict: Something stands at/);
    fs.rmSync(h.at('a'));
    fs.rmSync(h.at('b'));
    expect(said(await undo(one.receipt))).toMatch(/^conflict: .*not there any more/);
    h.put('keep', 'y');
    h.put('b', 'another');
    expect(said(await undo(one.receipt))).toMatch(/^conflict: .*not what was moved there any more/);
  });

  test('takes no folder along that holds what is denied', async () => {
    h.put('home/.ssh/authorized_keys', 'x');
    expect(await h.refused('file_move', { from: h.at('home'), to: h.at('public') })).toMatch(
      /^permission: .*deny list/,
    );
    expect(await h.refused('file_move', { from: h.at('home/.ssh/authorized_keys'), to: h.at('k') })).toMatch(
      /^permission/,
    );
    expect(await h.refused('file_move', { from: h.put('k', 'x'), to: h.at('.env') })).toMatch(/^permission/);
  });
});

test('what may only be read is neither moved nor deleted, and nothing of it has begun', async () => {
  h.close();
  h = house({ files: { access: 'read' } });
  h.put('f', 'x');
  h.put('d/e', 'y');
  for (const [tool, args] of [
    ['file_move', { from: h.at('f'), to: h.at('g') }],
    ['file_move', { from: h.at('d'), to: h.at('g') }],
    ['file_delete', { path: h.at('f') }],
    ['file_delete', { path: h.at('d'), recursive: true }],
    ['file_write', { path: h.at('g'), content: '' }],
    ['file_edit', { path: h.at('f'), edits: [{ find: 'x', replace: 'y' }] }],
  ] as const) {
    const out = await h.refused(tool, args);
    expect(out).toMatch(/^permission: .*files\.roots/);
    expect(out).not.toContain('had begun');
  }
  expect([h.text('f'), h.text('d/e')]).toEqual(['x', 'y']);
});

describe('file_delete', () => {
  test('goes to the trash, says when room is freed, and comes back', async () => {
    h.put('f', 'x'.repeat(5000), 0o640);
    const dry = await h.done('file_delete', { path: h.at('f'), dry_run: true });
    expect(dry.summary).toMatch(
      /^Move .* \(file, 4\.9 KiB\) to the trash\. Nothing is freed before 20\d\d-.*, when it goes for good \(8\.0 KiB\); for 7 d undo brings it back\.$/,
    );
    const done = await h.done('file_delete', { path: h.at('f') });
    expect(done).toMatchObject({ after: { exists: false, freedBytes: 0 } });
    expect(h.there('f')).toBe(false);
    expect(said(await undo(done.receipt))).toMatch(/back from the trash/);
    expect([h.text('f').length, mode('f')]).toEqual([5000, 0o640]);
  });

  test('of a folder needs to be said, and its undo brings all of it back unless something stands there', async () => {
    h.put('d/a', 'x');
    h.put('d/e/b', 'y');
    expect(await h.refused('file_delete', { path: h.at('d') })).toMatch(
      /^validation: .*3 things in it, [^)]*\) is not empty.*recursive/,
    );
    const done = await h.done('file_delete', { path: h.at('d'), recursive: true });
    expect(h.there('d')).toBe(false);
    h.put('d', 'in the way');
    expect(said(await undo(done.receipt))).toMatch(/^conflict: Something else stands at/);
    fs.rmSync(h.at('d'));
    expect(said(await undo(done.receipt))).toMatch(/"state":"done"/);
    expect([h.text('d/a'), h.text('d/e/b')]).toEqual(['x', 'y']);
    fs.mkdirSync(h.at('empty'));
    await h.done('file_delete', { path: h.at('empty') });
    expect(h.there('empty')).toBe(false);
  });

  test('for good is risk destroy, needs an approval in every mode, and leaves no receipt', async () => {
    h.put('f', 'x');
    const out = await h.call('file_delete', { path: h.at('f'), permanent: true });
    expect(out).toMatchObject({
      status: 'pending',
      data: { summary: expect.stringMatching(/for good; that frees .*cannot be undone/) },
    });
    expect(h.there('f')).toBe(true);
    h.r.deciding.decide(handleOf(out), {
      approver: 'cli:0',
      granted: true,
    });
    const done = await h.done('file_delete', { path: h.at('f'), permanent: true });
    expect([h.there('f'), done.receipt]).toEqual([false, undefined]);
    expect(done.summary).toMatch(/gone for good/);
  });

  test('refuses links and what is not there; what has gone from the trash is said', async () => {
    h.put('f', 'x');
    fs.symlinkSync('f', h.at('link'));
    expect(await h.refused('file_delete', { path: h.at('link') })).toMatch(/^permission: .*symlink/);
    expect(await h.refused('file_delete', { path: h.at('none') })).toMatch(/^not_found/);
    const { receipt } = await h.done('file_delete', { path: h.at('f') });
    await h.host.files.changer.emptyTrash({ olderThanMs: -1_000 });
    expect(said(await undo(receipt))).toMatch(/^conflict: .*not in the trash any more/);
  });

  test('that never told its end: in the trash it comes back, still there it stays', async () => {
    h.put('f', 'x');
    const id = fs.statSync(h.at('f'), { bigint: true });
    const prepare = (token: string) =>
      h.r.receipts.prepare({
        principal: operator.id,
        scopes: ['files:write'],
        tool: 'file_delete',
        risk: 'change',
        call: 'c',
        input: { path: h.at('f'), recursive: false, permanent: false, dry_run: false },
        targets: [{ kind: 'path', name: h.at('f') }],
        summary: 's',
        before: { exists: true },
        revert: { data: { token, is: `${id.dev}:${id.ino} 1 ${Number(id.mtimeMs)}` } },
      });
    expect(said(await undo(prepare('abcdefghijklmnopqrstuvwxyz')))).toMatch(/nothing was changed/);
    await h.host.files.changer.trash(h.at('f'), { id: `${id.dev}:${id.ino}`, token: 'bbcdefghijklmnopqrstuvwxyz' });
    expect(said(await undo(prepare('bbcdefghijklmnopqrstuvwxyz')))).toMatch(/back from the trash/);
    expect(h.text('f')).toBe('x');
  });
});

test('read, one line edited by what was read, undone: every other byte is equal (1,000 files: npm run soak files-edit-bytes)', async () => {
  const { edited, byText, wrong, refused, naiveWrong } = await roundtrip(upTo(40, 10));
  expect([wrong, refused]).toEqual([[], []]);
  expect(edited).toBe(upTo(40, 10));
  expect(byText).toBeGreaterThan(upTo(10, 1));
  expect(naiveWrong).toBeGreaterThan(upTo(10, 1));
}, 60_000);
