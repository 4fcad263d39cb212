/** Changes of files with the real checks behind them: a config that its program would refuse is not written, or not left. And what it costs. */
import fs from 'node:fs';
import { join } from 'node:path';
import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { exec, execOurs, findBinary } from '../../src/host/exec.ts';
import { validateHost } from '../../src/host/validate/index.ts';
import { type House, house, said } from './file_house.ts';

let h: House;
beforeEach(() => {
  h = house();
  const validate = validateHost({
    exec,
    ours: execOurs,
    nginxFolder: h.at('nginx'),
    folder: h.at('.checks'),
    timeoutMs: 30_000,
  });
  Object.assign(h.host.validate, validate);
});
afterEach(() => h.close());
const edit = (name: string, find: string, replace: string, more: object = {}) => ({
  path: h.at(name),
  edits: [{ find, replace }],
  ...more,
});

test('JSON that is none any more is refused with its line, told by dry_run, and written only when that is overruled', async () => {
  h.put('daemon.json', '{\n  "log-driver": "local",\n  "live-restore": true\n}\n');
  const bad = edit('daemon.json', '"local",', '"local"');
  expect((await h.done('file_edit', { ...bad, dry_run: true })).summary).toMatch(
    /the JSON parser refuses it: line 3: Expected ',' or '}' after property value\. It would not be written/,
  );
  expect(await h.refused('file_edit', bad)).toMatch(
    /^validation: Nothing was written: the JSON parser refuses it: line 3/,
  );
  expect(h.text('daemon.json')).toContain('"local",');
  const good = await h.done('file_edit', edit('daemon.json', 'true', 'false'));
  expect(good.after).toMatchObject({ check: { by: 'the JSON parser', result: 'ok' } });
  expect((await h.done('file_edit', { ...bad, overrule: true })).summary).toContain('That is overruled.');
});

test('a secret that a checker quotes is not told', async () => {
  h.put('a.json', '{}\n');
  const out = await h.refused('file_write', { path: h.at('b.json'), content: '{"password": hunter2hunter2}\n' });
  expect(out).not.toContain('hunter2hunter2');
});

const without = (name: 'visudo' | 'nginx') => {
  const missing = findBinary(name) === null;
  if (missing) process.stderr.write(`SKIPPED tests/tools/file_checked.test.ts: ${name} is not installed.\n`);
  if (missing && process.env.CI === 'true') throw new Error(`CI must have ${name}.`);
  return missing;
};

test.skipIf(without('visudo'))('sudoers that would lock everybody out is not written', async () => {
  h.put('etc/sudoers', 'root ALL=(ALL:ALL) ALL\n', 0o440);
  expect(
    await h.refused('file_edit', edit('etc/sudoers', 'ALL=(ALL:ALL) ALL', 'ALL=(ALL:ALL) ALL\n%ops ALL=')),
  ).toMatch(/^validation: .*visudo refuses it: line \d/);
  expect([h.text('etc/sudoers'), fs.statSync(h.at('etc/sudoers')).mode & 0o777]).toEqual([
    'root ALL=(ALL:ALL) ALL\n',
    0o440,
  ]);
  const done = await h.done(
    'file_edit',
    edit('etc/sudoers', 'ALL=(ALL:ALL) ALL', 'ALL=(ALL:ALL) ALL\n%ops ALL=(ALL) ALL'),
  );
  expect(done.after).toMatchObject({ mode: '0440', check: { by: 'visudo', result: 'ok' } });
});

describe.skipIf(without('nginx'))('nginx, in place', () => {
  const site = 'nginx/conf.d/a.conf';
  beforeEach(() => {
    h.put(
      'nginx/nginx.conf',
      `pid ${h.dir}/pid;\nerror_log ${h.dir}/error.log;\nevents {}\nhttp { access_log off; include ${h.dir}/nginx/conf.d/*.conf; }\n`,
    );
    h.put(site, 'server { listen 127.0.0.1:8099; }\n');
  });

  test('what nginx takes stays, what it does not is put back, byte for byte, and the receipt says so', async () => {
    const good = await h.done('file_edit', edit(site, '8099', '8098'));
    expect(good).toMatchObject({ state: 'done', after: { check: { by: 'nginx -t', result: 'ok' } } });
    const bad = await h.done('file_edit', edit(site, 'listen', 'lisen'));
    expect(bad).toMatchObject({ state: 'rolled_back' });
    expect(bad.summary).toMatch(
      /^nginx -t refuses it: line 1: unknown directive "lisen"\. The old content of .* is back\.$/,
    );
    expect(h.text(site)).toBe('server { listen 127.0.0.1:8098; }\n');
    expect(said(await h.call('undo', { receipt: bad.receipt }))).toMatch(/nothing was changed/);
  });

  test('a new file that breaks it goes again; one that nothing includes is unknown, and stays', async () => {
    expect(await h.done('file_write', { path: h.at('nginx/conf.d/b.conf'), content: 'nonsense;\n' })).toMatchObject({
      state: 'rolled_back',
    });
    expect(h.there('nginx/conf.d/b.conf')).toBe(false);
    const aside = await h.done('file_write', { path: h.at('nginx/aside'), content: 'nonsense;\n' });
    expect(aside.summary).toContain('Not checked by nginx -t: nginx does not read this file: nothing includes it.');
  });

  test('what was broken before can be mended step by step', async () => {
    h.put(site, 'server { lisen 1; foo 2; }\n');
    const first = await h.done('file_edit', edit(site, 'lisen 1', 'listen 127.0.0.1:8099'));
    expect(first.summary).toContain('nginx -t failed before already, and still does');
    const second = await h.done('file_edit', edit(site, ' foo 2;', ''));
    expect(second.after).toMatchObject({ check: { result: 'ok' } });
  });

  test('two at once are looked at one after the other', async () => {
    const [a, b] = await Promise.all([
      h.done('file_write', { path: h.at('nginx/conf.d/c.conf'), content: 'nonsense;\n' }),
      h.done('file_write', { path: h.at('nginx/conf.d/d.conf'), content: 'server { listen 127.0.0.1:8097; }\n' }),
    ]);
    expect([a.state, b.state]).toEqual(['rolled_back', 'done']);
  });
});

describe('what an answer costs a model', () => {
  const tokens = async (tool: string, args: object) => {
    const out = await h.call(tool, args);
    if (out.status === 'failed') throw new Error(said(out));
    return [encode(out.text).length, encode(JSON.stringify(out.data)).length];
  };

  test('one changed line is some four hundred tokens with its facts; a whole file little more than a thousand', async () => {
    const lines = Array.from(
      { length: 400 },
      (_, i) => `setting_${i} = ${i * 7} # what it is for, in a few words`,
    ).join('\n');
    h.put('big.conf', `${lines}\n`);
    const small = await tokens('file_edit', edit('big.conf', 'setting_200 = 1400', 'setting_200 = 1'));
    for (const n of small) expect(n).toBeLessThan(450);
    const whole = await tokens('file_write', { path: h.at('new.conf'), content: lines });
    for (const n of whole) expect(n).toBeLessThan(1_300);
    for (const n of await tokens('file_delete', { path: h.at('new.conf') })) expect(n).toBeLessThan(250);
    expect(fs.readdirSync(join(h.dir)).length).toBeGreaterThan(0);
  });
});
