/** A tailscaled that does not say which machine this is: then nobody may be taken for the machine's owner. */
import { expect, test } from 'vitest';
import { createGuard } from '../../src/policy/tailnet_guard.ts';
import { quiet } from '../fakes/policy.ts';

const guard = (node: string | null) =>
  createGuard({
    tailnet: {
      serveConfig: async () => ({ served: [], answered: [], funnels: [] }),
      status: async () => ({ node }) as never,
    },
    look: () => null,
    log: quiet,
    elapsed: () => 0,
  });

test('without a name for this machine nobody is recognised', async () => {
  const g = guard(null);
  expect(await g.trouble()).toMatchObject({ code: 'unavailable' });
  expect([g.standing(), g.isSelf('n1')]).toEqual([false, false]);
});

test('the twin: with one, what comes from here is told from what comes from elsewhere', async () => {
  const g = guard('n1');
  expect(await g.trouble()).toBeNull();
  expect([g.standing(), g.isSelf('n1'), g.isSelf('n2')]).toEqual([true, true, false]);
});
