/** A change that outlives its deadline: its closing record says so, and `late` is its end. What died in between is then known as unfinished. */
import { expect, test } from 'vitest';
import { callOf, rig } from '../fakes/policy.ts';
import { deaf, stage } from '../fakes/tools.ts';

const fieldsOf = (r: ReturnType<typeof rig>, event: string) =>
  r.records.filter((x) => x.event === event).map((x) => x.fields);

test('a call that timed out behind its first effect says goesOn; before it, not', async () => {
  stage.reset();
  const r = rig();
  const d = deaf();
  stage.afterCommit = d.wait;
  const out = r.door.run(callOf('fixture_rename', { to: 'new' }));
  await r.clock.advance(5_000);
  await out;
  expect(fieldsOf(r, 'call')).toMatchObject([{ outcome: 'timeout', goesOn: true }]);
  expect(fieldsOf(r, 'late')).toEqual([]);
  d.end();
  await r.clock.advance(0);
  expect(fieldsOf(r, 'late')).toMatchObject([{ outcome: 'done' }]);

  stage.reset();
  const early = rig();
  const done = early.door.run(callOf('fixture_rename', { to: 'new' }));
  await early.clock.advance(0);
  await done;
  expect(fieldsOf(early, 'call')).toMatchObject([{ outcome: 'done', goesOn: undefined }]);
});
