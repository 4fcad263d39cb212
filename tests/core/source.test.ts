import { expect, test } from 'vitest';
import { OpsError } from '../../src/core/errors.ts';
import { parseSource, parseSources, wellFormed } from '../../src/core/source.ts';

const caught = (text: string): OpsError => {
  try {
    parseSource(text);
  } catch (e) {
    return e as OpsError;
  }
  throw new Error(`${text} was taken`);
};

test.each([
  ['container:web', 'container', 'web', null, 'container:web'],
  ['container:/web', 'container', 'web', null, 'container:web'],
  ['container:nas/web_1.x', 'container', 'web_1.x', 'nas', 'container:nas/web_1.x'],
  ['container:8080', 'container', '8080', null, 'container:8080'],
  ['unit:nginx.service', 'unit', 'nginx.service', null, 'unit:nginx.service'],
  ['unit:nginx', 'unit', 'nginx.service', null, 'unit:nginx.service'],
  ['unit:getty@tty1', 'unit', 'getty@tty1.service', null, 'unit:getty@tty1.service'],
  ['unit:dev-sda.device', 'unit', 'dev-sda.device', null, 'unit:dev-sda.device'],
  ['file:/var/log/a b:c', 'file', '/var/log/a b:c', null, 'file:/var/log/a b:c'],
  ['journal:', 'journal', '', null, 'journal:'],
  ['journal:sshd', 'journal', 'sshd', null, 'journal:sshd'],
  ['process:4711', 'process', '4711', null, 'process:4711'],
  ['https://Example.org', 'url', 'https://example.org/', null, 'https://example.org/'],
  ['db.lan:5432', 'address', 'db.lan:5432', null, 'db.lan:5432'],
  ['[::1]:443', 'address', '[::1]:443', null, '[::1]:443'],
])('%s', (text, kind, name, engine, spelled) => {
  expect(parseSource(text)).toEqual({ kind, name, engine, text: spelled });
  expect(parseSource(spelled).text).toBe(spelled);
});

test.each([
  ['web', ['container:web', 'unit:web.service']],
  ['journal', ['journal:']],
  ['/var/log/syslog', ['file:/var/log/syslog']],
  ['contaner:web', ['container:web']],
  ['docker:web', ['container:web']],
  ['Service:nginx', ['unit:nginx.service']],
  ['pid:70000', ['process:70000']],
  ['/../etc', undefined],
  ['', undefined],
  ['a b', undefined],
  ['zzz:!', undefined],
])('%s is none; meant were %j', (text, candidates) => {
  const error = caught(text);
  expect(error.code).toBe('validation');
  expect(error.details.candidates).toEqual(candidates);
  expect(error.details.hint).toContain('container:');
});

test.each([
  'container:',
  'container:x/archive?path=/etc/shadow&',
  'container:../images/json?',
  'container:a/b/c',
  'container:-x',
  'container:a%2fb',
  'container:web\n',
  'container:we\u0000b',
  `container:${'x'.repeat(129)}`,
  `container:${'e'.repeat(65)}/web`,
  'container:!/web',
  'unit:',
  'unit:a b',
  'unit:../x',
  'file:var/log',
  'file:/var/../etc/shadow',
  'file:/var/log/..',
  'journal:a b',
  'journal:$(id)',
  'process:0',
  'process:-1',
  'process:4194305',
  'process:1e3',
  'https://',
  'https://user:pass@example.org',
  'host:0',
  'host:65536',
  'url:x',
  'address:x',
  `file:/${'x'.repeat(1_024)}`,
])('%j is refused', (text) => {
  expect(caught(text)).toBeInstanceOf(OpsError);
  expect(caught(text).message.length).toBeLessThan(300);
});

test('each once, in order; for rights, what is not well formed counts as nothing', () => {
  expect(parseSources(['unit:b', 'container:a', 'unit:b.service']).map((s) => s.text)).toEqual([
    'unit:b.service',
    'container:a',
  ]);
  expect(wellFormed(['web', 'container:a', 'container:!']).map((s) => s.text)).toEqual(['container:a']);
});
