/** Which way a request is looked at: ours first and at once, then issuers, and who comes through tailscaled apart from both. */
import { expect, test, vi } from 'vitest';
import type { Principal } from '../../src/core/call.ts';
import { OpsError } from '../../src/core/errors.ts';
import { byToken, createAuthenticate } from '../../src/policy/authenticate.ts';
import type { Recognised, Shown } from '../../src/policy/credentials.ts';
import { who } from '../fakes/policy.ts';

const ours = who('token:laptop', ['system:read']);
const theirs = who('jwt:home:alice', ['system:read']);
const find = vi.fn((secret: string): Principal | null => (secret === 'dh_good' ? ours : null));
const shown = (bearer: Shown['bearer'], listener: Shown['listener'] = 'tcp'): Shown => ({
  listener,
  address: '192.0.2.1',
  bearer,
  header: () => undefined,
});
const said = (is: Recognised) =>
  'principal' in is ? is.principal.id : `${is.status} ${is.sent ? 'sent' : 'none'} ${is.refused.details.hint}`;

test('a token of ours is found at once, and no issuer hears of it', async () => {
  const oauth = vi.fn(() => Promise.resolve({ principal: theirs }));
  const ask = createAuthenticate({ find, oauth });
  expect(ask(shown('dh_good'))).toEqual({ principal: ours });
  // Also not of one that was revoked, or is only like ours.
  expect(said(await ask(shown('dh_revoked')))).toMatch(/^401 sent/);
  expect(oauth).not.toHaveBeenCalled();
  expect(said(await ask(shown('eyJ')))).toBe('jwt:home:alice');
  expect(oauth).toHaveBeenCalledExactlyOnceWith('eyJ');
});

test('what is known of an issuer’s token is told at once', () => {
  const ask = createAuthenticate({ find, oauth: () => ({ principal: theirs }) });
  expect(ask(shown('eyJ'))).toEqual({ principal: theirs });
});

test('none, malformed, unknown; the next step is the one that leads in here', () => {
  const alone = byToken(find);
  expect(said(alone(shown(undefined)) as Recognised)).toMatch(/^401 none .*deckhand token add/);
  expect(said(alone(shown(null)) as Recognised)).toMatch(/^400 sent .*Bearer TOKEN/);
  expect(said(alone(shown('eyJ')) as Recognised)).toMatch(/^401 sent .*deckhand token add/);
  const both = createAuthenticate({ find, oauth: () => ({ principal: theirs }) });
  expect(said(both(shown(undefined)) as Recognised)).toMatch(/^401 none .*authorization server/);
  expect(said(both(shown('dh_x')) as Recognised)).toMatch(/^401 sent .*authorization server/);
});

test('who comes through tailscaled is asked about there; what a token is worth is handed on', () => {
  const person = who('tailnet:alice@example.org', ['system:read']);
  const refused = { refused: new OpsError('permission', 'No.'), status: 403, sent: true } as const;
  const ask = createAuthenticate({
    find,
    tailnet: (bearer) => (s) =>
      s.bearer === undefined ? { principal: person } : s.bearer === 'no' ? refused : bearer(s),
  });
  expect(ask(shown(undefined, 'tailnet'))).toEqual({ principal: person });
  expect(ask(shown('no', 'tailnet'))).toBe(refused);
  expect(ask(shown('dh_good', 'tailnet'))).toEqual({ principal: ours });
  // Elsewhere nobody is a person of the tailnet.
  expect(said(ask(shown(undefined)) as Recognised)).toMatch(/^401 none/);
  expect(said(byToken(find)(shown(undefined, 'tailnet')) as Recognised)).toMatch(/^401 none/);
});
