/** Rules for changes: what may be written, the exact words where it may not, and how they are shown. */
import { describe, expect, test } from 'vitest';
import { mustMatter } from '../../src/config/off.ts';
import { printConfig } from '../../src/config/show.ts';
import { place, refusal } from './place.ts';

const of = (...rules: string[]) => `approvals:\n  rules:\n${rules.map((r) => `    - ${r}\n`).join('')}`;
const KEYS = 'expected principal, tool, risk, target, decide';
const DECIDE = 'expected one of allow, ask, deny';

test.each<[string, string, string]>([
  [
    'an unknown key',
    '{tol: x, decide: ask}',
    `FILE:3: approvals.rules[0].tol is not a setting (nearest: tool); ${KEYS}.`,
  ],
  ['a key like nothing', '{zzzzzz: x, decide: ask}', `FILE:3: approvals.rules[0].zzzzzz is not a setting; ${KEYS}.`],
  ['a slip', '{decide: alow}', `FILE:3: approvals.rules[0].decide is "alow"; ${DECIDE} (nearest: allow).`],
  ['no decision', '{tool: x}', `FILE:3: approvals.rules[0].decide is missing; ${DECIDE}.`],
  [
    'a risk of reads',
    '{risk: read, decide: ask}',
    'FILE:3: approvals.rules[0].risk is "read"; expected one of change, destroy.',
  ],
  [
    'a token without its kind',
    '{principal: laptop, decide: deny}',
    'FILE:3: approvals.rules[0].principal is "laptop"; expected a principal such as token:laptop, stdio:1000, jwt:home:*, tailnet:alice@example.com or cli:*, or *.',
  ],
  [
    'no name of a tool',
    '{tool: Process Signal, decide: deny}',
    'FILE:3: approvals.rules[0].tool is "Process Signal"; expected the name of a tool, in which * stands for any letters.',
  ],
  [
    'a target without its kind',
    '{target: nginx.service, decide: deny}',
    'FILE:3: approvals.rules[0].target is "nginx.service"; expected kind:name such as unit:nginx.service, container:* or path:/srv/*.',
  ],
  [
    'a target of no kind',
    '{target: "unti:nginx", decide: deny}',
    'FILE:3: approvals.rules[0].target is "unti:nginx"; expected kind:name such as unit:nginx.service, container:* or path:/srv/*.',
  ],
  [
    'destroying allowed',
    '{risk: destroy, decide: allow}',
    'FILE:3: approvals.rules[0].decide is "allow"; what destroys is never allowed by a rule: expected ask or deny.',
  ],
  [
    'a word for a map',
    'deny',
    'FILE:3: approvals.rules[0] is "deny"; invalid input: expected object, received string.',
  ],
])('%s', async (_, rule, message) => {
  const { dir, load } = place();
  expect((await refusal(load({}, of(rule)))).message).toBe(message.replace('FILE', `${dir}/config.yaml`));
});

test('every fault of every rule is told at once, each with its line', async () => {
  const { dir, load } = place();
  const error = await refusal(
    load({}, of('{tool: a, decide: ask}', '{decide: no}', '{tool: a, tool: b, decide: nay}')),
  );
  expect(error.message.split('\n')).toEqual([
    '3 problems in the configuration:',
    `${dir}/config.yaml:4: approvals.rules[1].decide is "no"; ${DECIDE}.`,
    `${dir}/config.yaml:5: approvals.rules.tool stands on line 5 already.`,
    `${dir}/config.yaml:5: approvals.rules[2].decide is "nay"; ${DECIDE}.`,
  ]);
});

test.each([
  ['a map for the list', 'approvals:\n  rules: {decide: deny}\n', 'a map'],
  ['nothing', 'approvals:\n  rules:\n', 'has no value'],
])('%s is no list of rules', async (_, yaml, is) => {
  const { load } = place();
  expect((await refusal(load({}, yaml))).message).toContain(is);
});

describe('the environment and flags', () => {
  test('hold no rules', async () => {
    const { load } = place();
    expect((await refusal(load({ env: { HOME: '/h', DECKHAND_APPROVALS_RULES: 'deny' } }))).message).toBe(
      'DECKHAND_APPROVALS_RULES: approvals.rules is a list of maps; those are set in the file only.',
    );
    expect((await refusal(load({ flags: { 'approvals-rules': 'deny' } }))).message).toContain('set in the file only');
  });
  test('hold the others, within their bounds', async () => {
    const { load } = place();
    const { config } = await load({ flags: { 'approvals-minutes': '3', 'approvals-client': 'change' } });
    expect(config.approvals).toEqual({ client: 'change', minutes: 3, rules: [] });
    expect((await refusal(load({ flags: { 'approvals-minutes': '11' } }))).message).toContain('from 1 to 10');
    expect((await refusal(load({ flags: { 'approvals-client': 'destroy' } }))).message).toContain('never, change');
  });
});

test('`deckhand config` numbers them as the audit names them', async () => {
  const { dir, load } = place();
  const loaded = await load(
    {},
    of('{principal: "token:*", tool: process_signal, decide: ask}', '{target: "unit:ssh*", decide: deny}'),
  );
  expect(loaded.config.approvals.rules).toHaveLength(2);
  expect(printConfig(loaded)).toContain(
    [
      `approvals.rules = 2 (file ${dir}/config.yaml:2)`,
      '  1: {principal: "token:*", tool: process_signal, decide: ask}',
      '  2: {target: "unit:ssh*", decide: deny}',
      '',
    ].join('\n'),
  );
});

describe('a rule that can decide nothing', () => {
  const tools = [
    { name: 'process_list' },
    { name: 'process_signal', change: {} as never },
    { name: 'undo', change: {} as never },
  ];
  test.each<[string, string | null]>([
    ['process_signal', null],
    ['process_*', null],
    ['*', null],
    ['proces_signal', 'rule 1 is for "proces_signal", and no tool has such a name (nearest: process_signal).'],
    ['zzzzzzzz*', 'rule 1 is for "zzzzzzzz*", and no tool has such a name.'],
    ['process_list', 'rule 1 is for process_list, which only reads; tools.deny takes such a tool away.'],
  ])('tool: %s', async (tool, message) => {
    const { dir, load } = place();
    const loaded = await load({}, of(`{tool: "${tool}", decide: deny}`, '{decide: ask}'));
    const check = () => mustMatter(loaded, tools);
    if (message === null) expect(check).not.toThrow();
    else expect(check).toThrow(`${dir}/config.yaml:2: approvals.rules: ${message}`);
  });
});
