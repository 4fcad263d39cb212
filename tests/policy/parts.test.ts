import { expect, test } from 'vitest';
import { createParts } from '../../src/policy/parts.ts';
import { callOf, operator, rig } from '../fakes/policy.ts';

test('a toolset is left out while its part is missing, and comes back with it, looked at now and then', () => {
  let now = 0;
  let looks = 0;
  let there = false;
  const missing = () => {
    looks++;
    return there ? null : { why: 'No engine.', fix: 'Install one.' };
  };
  const parts = createParts([{ toolset: 'docker', what: 'containers', missing }], () => now);
  const off = { why: 'its part of this host is missing. No engine.', hint: 'Install one.' };
  expect(parts.off({ toolset: 'docker' })).toEqual(off);
  expect(parts.off({ toolset: 'system' })).toBeNull();
  expect(parts.absent()).toEqual([{ what: 'containers', why: 'No engine.', fix: 'Install one.' }]);
  there = true;
  expect(parts.off({ toolset: 'docker' })).toEqual(off);
  expect(looks).toBe(1);
  now = 2_000;
  expect(parts.off({ toolset: 'docker' })).toBeNull();
  expect(parts.absent()).toEqual([]);
  expect(looks).toBe(2);
});

test('a part may be that of one tool alone: its neighbours stay', () => {
  const missing = () => ({ why: 'No engine.', fix: 'Install one.' });
  const parts = createParts([{ toolset: 'triage', tool: 'diagnose', what: 'diagnosis', missing }], () => 0);
  expect(parts.off({ toolset: 'triage', name: 'diagnose' })?.hint).toBe('Install one.');
  expect(parts.off({ toolset: 'triage', name: 'undo' })).toBeNull();
  expect(parts.absent()).toEqual([{ what: 'diagnosis', why: 'No engine.', fix: 'Install one.' }]);
});

test('what lacks the same thing is said in one line', () => {
  const missing = () => ({ why: 'No engine.', fix: 'Install one.' });
  const other = () => ({ why: 'No systemd.', fix: 'None.' });
  const parts = createParts(
    [
      { toolset: 'docker', what: 'containers', missing },
      { toolset: 'services', what: 'units', missing: other },
      { toolset: 'logs', what: 'logs', missing },
    ],
    () => 0,
  );
  expect(parts.absent()).toEqual([
    { what: 'containers, logs', why: 'No engine.', fix: 'Install one.' },
    { what: 'units', why: 'No systemd.', fix: 'None.' },
  ]);
});

test('the door does not list such tools, and says what is missing when one is called', async () => {
  const there = { is: true };
  let now = 0;
  const missing = () => (there.is ? null : { why: 'Gone.', fix: 'Start it.' });
  const parts = createParts([{ toolset: 'system', what: 'a part', missing }], () => (now += 10_000));
  const { door, policy } = rig({ off: parts.off });
  const tool = policy.catalog.tools.find((t) => t.toolset === 'system');
  expect(door.visible(operator, undefined).map((t) => t.name)).toContain(tool?.name);
  there.is = false;
  expect(door.visible(operator, undefined).filter((t) => t.toolset === 'system')).toEqual([]);
  const outcome = await door.run(callOf(tool?.name ?? '', {}));
  expect(outcome).toMatchObject({ status: 'failed', error: { code: 'unavailable', details: { hint: 'Start it.' } } });
});
