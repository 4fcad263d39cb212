import { expect, test } from 'vitest';
import { NotifySettings } from '../../src/config/notify.ts';

const ntfy = (over: object = {}) => ({
  name: 'phone',
  kind: 'ntfy',
  url: 'https://ntfy.example.org/box-a8Kz',
  ...over,
});
const hook = (over: object = {}) => ({
  name: 'hook',
  kind: 'webhook',
  url: 'https://hooks.example.org/deckhand?team=1',
  secretFile: '/etc/deckhand/hook.key',
  ...over,
});
const mail = (over: object = {}) => ({
  name: 'mail',
  kind: 'smtp',
  url: 'smtps://mail.example.org:465',
  from: 'deckhand@example.org',
  to: ['me@example.org'],
  ...over,
});
const wrong = (...channels: object[]) =>
  NotifySettings.safeParse({ channels })
    .error?.issues.map((i) => `${String(i.path.at(-1))}: ${i.message}`)
    .join();

test('the three kinds, each with what it needs', () => {
  expect(wrong(ntfy(), hook(), mail())).toBeUndefined();
  expect(NotifySettings.parse({ channels: [ntfy()] }).channels[0]).toMatchObject({
    plain: false,
    about: ['approvals', 'security'],
    to: [],
  });
  expect(wrong(mail({ url: 'smtp://mail.example.org:587', user: 'u', secretFile: '/s' }))).toBeUndefined();
  expect(wrong(ntfy({ url: 'https://example.org/sub/topic' }))).toBeUndefined();
});

test.each<[string, object, string]>([
  ['two of one name', ntfy({ name: 'hook' }), 'each name once'],
  ['http', ntfy({ url: 'http://ntfy.example.org/t' }), 'plain: true'],
  ['a webhook over http', hook({ name: 'x', url: 'http://h/p' }), 'plain: true'],
  ['no topic', ntfy({ url: 'https://ntfy.example.org/' }), 'topic'],
  ['a query behind the topic', ntfy({ url: 'https://ntfy.example.org/t?auth=x' }), 'topic'],
  ['a password in the URL', ntfy({ url: 'https://u:p@ntfy.example.org/t' }), 'secretFile'],
  ['another scheme', ntfy({ url: 'ftp://ntfy.example.org/t' }), 'https://host/topic'],
  ['no URL', mail({ url: 'mail.example.org' }), 'smtps://'],
  ['https for mail', mail({ url: 'https://mail.example.org' }), 'smtps://'],
  ['a path for mail', mail({ url: 'smtps://mail.example.org/x' }), 'smtps://'],
  ['a webhook without key', hook({ name: 'x', secretFile: undefined }), 'signed'],
  ['a key by a relative path', hook({ name: 'x', secretFile: 'key' }), 'absolute path'],
  ['a mail from nobody', mail({ from: undefined }), 'mails come from'],
  ['a mail to nobody', mail({ to: [] }), 'at least one'],
  ['two addresses in one', mail({ to: ['a@b.c, d@e.f'] }), 'mail address alone'],
  ['a header in an address', mail({ from: 'a@b.c\r\nBcc: x@y.z' }), 'mail address alone'],
  ['a user without password', mail({ user: 'u' }), 'go together'],
  ['a header in a user', mail({ user: 'u\r\nx', secretFile: '/s' }), 'one line'],
  ['mail addresses for ntfy', ntfy({ to: ['a@b.c'] }), 'go with smtp'],
  ['nothing to hear of', ntfy({ about: [] }), 'about'],
  ['what nobody knows', ntfy({ token: 'x' }), 'Unrecognized'],
])('%s is refused', (_, entry, why) => {
  expect(wrong(hook(), entry)).toContain(why);
});

test('plain is the owner’s word', () => {
  expect(
    wrong(ntfy({ url: 'http://127.0.0.1:8080/t', plain: true }), mail({ url: 'smtp://127.0.0.1:25', plain: true })),
  ).toBeUndefined();
});
