import { expect, test, vi } from 'vitest';
import * as z from 'zod';
import { defineChange, defineRead } from '../../src/core/define.ts';
import { once } from '../../src/core/schema.ts';

const common = {
  name: 'x_y',
  title: 'X',
  description: 'Use this.',
  toolset: 'system' as const,
  core: false,
  annotations: { idempotent: true, openWorld: false },
};

test('what is made once is made when it is first asked for, and never again', () => {
  const make = vi.fn(() => ({}));
  const made = once(make);
  expect(make).not.toHaveBeenCalled();
  expect(made()).toBe(made());
  expect(make).toHaveBeenCalledOnce();
});

test('a tool makes its schemas when they are first looked at: no start pays for those of all', () => {
  const input = vi.fn(() => z.strictObject({ a: z.string() }));
  const output = vi.fn(() => z.object({ b: z.string() }));
  const read = defineRead({
    ...common,
    input,
    output,
    scopes: { least: 'system:read' },
    risk: 'read',
    text: () => '',
    handler: async () => ({ b: '' }),
  });
  const change = defineChange({
    ...common,
    input,
    scopes: { least: 'system:write' },
    risk: 'change',
    undo: { kind: 'none', why: 'a test' },
    preview: async () => ({ summary: '', digest: '' }),
    apply: async () => ({ summary: '' }),
  });
  expect([input.mock.calls.length, output.mock.calls.length]).toEqual([0, 0]);
  expect(read.input).toBe(read.input);
  expect(Object.keys(read.output.shape)).toEqual(['b', 'more']);
  expect(Object.keys(change.input.shape)).toEqual(['a', 'dry_run']);
  expect(change.input).toBe(change.input);
  expect([input.mock.calls.length, output.mock.calls.length]).toEqual([2, 1]);
});
