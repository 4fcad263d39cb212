/** A tool of which no scope is common to all calls: seen by whoever holds one of those it may need, and by nobody else. */
import { expect, test } from 'vitest';
import * as z from 'zod';
import { defineRead } from '../../src/core/define.ts';
import type { Scope } from '../../src/core/scopes.ts';
import { callOf, rig, who } from '../fakes/policy.ts';

const tool = defineRead({
  name: 'fixture_any',
  title: 'Any',
  description: 'For tests. Use nothing instead.',
  toolset: 'system',
  core: true,
  input: () => z.strictObject({ of: z.enum(['docker', 'system', 'nothing']) }),
  output: () => z.object({}),
  scopes: {
    least: null,
    any: ['docker:read', 'system:read'],
    of: (i) => (i.of === 'nothing' ? [] : [`${i.of}:read`]),
  },
  risk: 'read',
  annotations: { idempotent: true, openWorld: false },
  text: () => 'done',
  handler: async () => ({}),
});

const run = (scopes: Scope[], args: unknown) => {
  const { door } = rig({ catalog: { tools: [tool], resources: [], prompts: [] } });
  const principal = who('token:x', scopes);
  return {
    seen: door.visible(principal, undefined).length === 1,
    outcome: door.run(callOf(tool.name, args, { principal })),
  };
};

test('whoever holds one of its scopes sees it, and may make the calls that need that one', async () => {
  const { seen, outcome } = run(['system:read'], { of: 'system' });
  expect(seen).toBe(true);
  expect(await outcome).toMatchObject({ status: 'done' });
  expect(await run(['system:read'], { of: 'docker' }).outcome).toMatchObject({
    status: 'failed',
    error: { code: 'permission', message: expect.stringContaining('docker:read') },
  });
});

test('whoever holds none does not see it, and is refused before anything is said about arguments', async () => {
  const { seen, outcome } = run(['logs:read'], { of: 'nothing' });
  expect(seen).toBe(false);
  // And is told which scope to ask for, as with any other tool: not that some rule of the owner is in the way.
  const error = {
    code: 'permission',
    message: 'fixture_any needs the scope docker:read.',
    details: { hint: expect.stringContaining('token add NAME --scope docker:read') },
  };
  expect(await outcome).toMatchObject({ status: 'failed', error });
  expect(await run(['logs:read'], { wrong: 1 }).outcome).toMatchObject({ status: 'failed', error });
});
