/** The owner's rules: which one decides, for every mode and risk. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { like } from '../../src/core/like.ts';
import type { Target } from '../../src/core/tool.ts';
import { type Asked, decisionOf, type Rule } from '../../src/policy/rules.ts';
import { cpuNowMs } from '../fakes/cpu_time.ts';

const nginx: Target = { kind: 'unit', name: 'nginx.service' };
const ssh: Target = { kind: 'unit', name: 'ssh.service' };
const asked: Asked = { principal: 'token:bot', tool: 'service_control', risk: 'change', targets: [nginx] };
const by = (rules: Rule[], over: Partial<Asked> = {}, mode: 'ask' | 'full' | 'read-only' = 'ask') =>
  decisionOf(mode, rules, { ...asked, ...over }).by;

const allow: Rule = { decide: 'allow' };
const deny: Rule = { decide: 'deny' };
const ask: Rule = { decide: 'ask' };

describe('without a rule', () => {
  test.each([
    ['ask', 'change', 'ask'],
    ['ask', 'destroy', 'ask'],
    ['full', 'change', 'allow'],
    ['full', 'destroy', 'ask'],
    ['read-only', 'change', 'deny'],
    ['read-only', 'destroy', 'deny'],
  ] as const)('mode %s, %s: %s', (mode, risk, decide) => {
    expect(decisionOf(mode, [], { ...asked, risk })).toEqual({ decide, by: `mode: ${mode}` });
    expect(decisionOf(mode, [], { ...asked, risk, targets: [] }).decide).toBe(decide);
  });
});

test('the first that fits decides, but a deny goes before all', () => {
  expect(by([ask, allow])).toBe('rule 1: ask');
  expect(by([allow, ask])).toBe('rule 1: allow');
  expect(by([allow, ask, deny])).toBe('rule 3: deny');
  expect(by([allow, ask, { ...deny, tool: 'x' }])).toBe('rule 1: allow');
  expect(by([ask], {}, 'full')).toBe('rule 1: ask');
});

test('read-only stays above every rule', () => {
  expect(by([allow], {}, 'read-only')).toBe('mode: read-only');
});

test.each<[string, Rule, boolean]>([
  ['principal', { ...deny, principal: 'token:bot' }, true],
  ['principal by a glob', { ...deny, principal: 'token:*' }, true],
  ['another principal', { ...deny, principal: 'token:bo' }, false],
  ['tool', { ...deny, tool: 'service_*' }, true],
  ['another tool', { ...deny, tool: 'container_*' }, false],
  ['risk', { ...deny, risk: 'change' }, true],
  ['another risk', { ...deny, risk: 'destroy' }, false],
  ['target', { ...deny, target: 'unit:nginx.service' }, true],
  ['target by a glob', { ...deny, target: '*:nginx*' }, true],
  ['another kind of target', { ...deny, target: 'container:nginx.service' }, false],
  ['all of them', { ...deny, principal: '*', tool: '*', risk: 'change', target: '*' }, true],
  ['all but one', { ...deny, principal: '*', tool: '*', risk: 'change', target: 'path:*' }, false],
])('%s', (_, rule, fits) => {
  expect(by([rule])).toBe(fits ? 'rule 1: deny' : 'mode: ask');
});

test('a rule on targets says nothing of a call without any', () => {
  expect(by([{ ...deny, target: '*' }], { targets: [] })).toBe('mode: ask');
});

test('several targets: the strictest, also when it is only the mode', () => {
  const targets = [nginx, ssh];
  expect(by([{ ...allow, target: 'unit:nginx*' }], { targets })).toBe('mode: ask');
  expect(by([{ ...allow, target: 'unit:nginx*' }], { targets }, 'full')).toBe('rule 1: allow');
  expect(by([{ ...allow, target: 'unit:*' }], { targets })).toBe('rule 1: allow');
  expect(
    by(
      [
        { ...allow, target: 'unit:*' },
        { ...deny, target: 'unit:ssh*' },
      ],
      { targets },
    ),
  ).toBe('rule 2: deny');
});

test('no rule lets through what destroys', () => {
  expect(by([allow], { risk: 'destroy' })).toBe('mode: ask');
  // Config refuses it; should it come through all the same, it decides nothing.
  expect(by([{ ...allow, risk: 'destroy' }], { risk: 'destroy' }, 'full')).toBe('mode: full');
  expect(by([deny], { risk: 'destroy' })).toBe('rule 1: deny');
});

test('a glob is what the regular expression with its stars says, and never hangs', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '.', '\n', '*', '['), maxLength: 8 });
  fc.assert(
    fc.property(text, text, (pattern, subject) => {
      const source = pattern
        .split('*')
        .map((part) => part.replace(/[.[\]]/g, '\\$&'))
        .join('[^]*');
      expect(like(pattern, subject)).toBe(new RegExp(`^${source}$`).test(subject));
    }),
    { numRuns: 2_000 },
  );
  const started = cpuNowMs();
  expect(like(`${'*a'.repeat(2_000)}b`, 'a'.repeat(20_000))).toBe(false);
  expect(cpuNowMs() - started).toBeLessThan(2_000);
});
