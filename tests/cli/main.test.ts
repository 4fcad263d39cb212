/** Which command the words mean, the help made from the table, exit codes of what cannot be read. */
import { expect, test } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { dispatch } from '../../src/cli/main.ts';
import { VERSION } from '../../src/cli/version.ts';
import { screen } from './screen.ts';

async function typed(...words: string[]) {
  const io = screen();
  const code = await dispatch(words, io);
  return { code, out: io.stdout, err: io.stderr };
}

test('the usage, as clients of the table see it', async () => {
  const { code, out } = await typed('help');
  expect(code).toBe(0);
  await expect(out).toMatchFileSnapshot('../golden/cli/help.txt');
  expect(await typed('--help')).toMatchObject({ code, out });
  expect(await typed()).toMatchObject({ code, out });
  expect(await typed('-h')).toMatchObject({ code, out });
});

test('the help of every command', async () => {
  let all = '';
  for (const { name } of COMMANDS) {
    const { code, out } = await typed('help', ...name.split(' '));
    expect(code).toBe(0);
    expect(await typed(...name.split(' '), '--help')).toMatchObject({
      code: 0,
      out: name === 'help' ? (await typed()).out : out,
    });
    all += `${'='.repeat(100)}\n${out}`;
  }
  await expect(all).toMatchFileSnapshot('../golden/cli/commands.txt');
  for (const line of all.split('\n')) expect(line.length).toBeLessThanOrEqual(120);
});

test('help of a group, and of all settings', async () => {
  const group = await typed('help', 'token');
  expect(group.out).toContain('deckhand token add');
  expect(group.out).toContain('deckhand token revoke');
  const settings = await typed('help', 'settings');
  expect(settings.out).toContain('--http-port');
  expect(settings.out).toContain('--state-dir');
});

test('version', async () => {
  expect(VERSION).toMatch(/^\d+\.\d+\.\d+/);
  for (const word of ['version', '--version', '-V', '-v']) expect((await typed(word)).out).toBe(`${VERSION}\n`);
});

test.each<[string[], string, string | null]>([
  [['serv'], 'No command "serv".', 'serve'],
  [['tool'], 'No command "tool".', 'tools'],
  [['doktor'], 'No command "doktor".', 'doctor'],
  [['blorp'], 'No command "blorp".', null],
  [['token'], '`deckhand token` needs one more word.', 'token add, token list, token revoke'],
  [['token', 'remove', 'x'], 'No command "token remove".', 'token add, token list, token revoke'],
  [['help', 'serv'], 'No command "serv".', 'serve'],
  [['version', '--jsn'], '--jsn is not a flag here', null],
  [['serve', 'now'], 'deckhand serve takes no names, not 1.', null],
  [['call'], 'deckhand call needs TOOL.', null],
  [['token', 'add'], 'deckhand token add needs NAME.', null],
  [['tools', 'a', 'b'], 'deckhand tools takes one name, not 2.', null],
  [['serve', '--http-prot', '1'], '--http-prot is not a flag here', '--http-port'],
  [['serve', '--json'], '--json is not a flag here', null],
  [['--http-port', '1', 'serve', '--http-port', '2'], '--http-port is given twice', null],
  [['--http-port', '1', 'frobnicate'], 'No command "frobnicate".', null],
])('%j', async (words, message, candidates) => {
  const { code, out, err } = await typed(...words);
  expect(code).toBe(2);
  expect(out).toBe('');
  expect(err).toContain(`deckhand: validation: ${message}`);
  if (candidates) expect(err).toContain(`did you mean: ${candidates}`);
  expect(err).not.toMatch(/\n\s+at /);
});

test('a setting that does not fit is told by its flag, before anything is opened', async () => {
  const { code, err } = await typed('config', '--http-port', '70707');
  expect(code).toBe(2);
  expect(err).toContain('--http-port: http.port is 70707; expected an integer from 0 to 65535');
});

test('config prints what was given and where', async () => {
  const { code, out } = await typed('--http-port', '7171', 'config', '--mode', 'read-only');
  expect(code).toBe(0);
  expect(out).toContain('http.port = 7171 (flag --http-port)');
  expect(out).toContain('mode = read-only (flag --mode)');
  const json = JSON.parse((await typed('config', '--json')).out);
  expect(json.settings['http.host']).toMatchObject({ value: '127.0.0.1', from: 'default' });
});
