import { expect, test } from 'vitest';
import { PeerList } from '../../src/config/peers.ts';

const peer = (over: object = {}) => ({
  name: 'nas',
  url: 'https://nas.lan:7070',
  tokenFile: '/etc/deckhand/nas',
  ...over,
});
const wrong = (...list: object[]) =>
  PeerList.safeParse(list)
    .error?.issues.map((i) => i.message)
    .join();

test('a peer is named by an https URL and the file of a token', () => {
  expect(PeerList.parse([peer()])).toEqual([{ ...peer(), plain: false }]);
  expect(wrong(peer(), peer())).toContain('each name once');
  for (const url of [
    'ftp://nas',
    'https://u@nas',
    'https://nas/',
    'https://nas?x',
    'https://nas#x',
    'nas',
    'https://n as',
  ])
    expect(wrong(peer({ url })), url).toContain('https URL');
  expect(wrong(peer({ tokenFile: 'token' }))).toContain('absolute path');
  expect(wrong(peer({ token: 'dh_x' }))).toBeDefined();
});

test('http only where the owner says so', () => {
  expect(wrong(peer({ url: 'http://nas.lan' }))).toContain('plain: true');
  expect(wrong(peer({ url: 'http://nas.lan', plain: true }))).toBeUndefined();
});
