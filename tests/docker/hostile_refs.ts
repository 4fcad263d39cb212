/** 5,000 references that are none, or nearly, or look like more than one: the same each time. */
import fc from 'fast-check';
import { upTo } from '../counts.ts';

const evil = fc.constantFrom(
  ...[
    'x/archive?path=/etc/shadow&',
    '../images/json?',
    '..',
    '.',
    '%2e%2e',
    '%2e%2e%2fsecrets',
    'x/export?',
    'x/exec?',
  ],
  ...['x/attach/ws?stdin=1&', 'x#', 'x?y=z', 'x%00', 'x\r\nHost: y', 'x HTTP/1.1\r\n\r\nDELETE /volumes/x', '//', '\\'],
  ...[
    'x/../../secrets',
    'create',
    'prune',
    'json',
    '-rf',
    'ＡＢ',
    '\u202e',
    '\0',
    '',
    ' ',
    'x'.repeat(129),
    'A/../b',
    '@',
    ':',
  ],
  ...['nginx/../../exec', 'x@sha256:../../..', 'x:y/z', 'x/json?', 'swarm/unlockkey?', '{}', 'x;y', 'x&all=1', 'x=1'],
  ...['nginx:1.27', 'web', 'registry.example:5000/team/app:2', `x@sha256:${'a'.repeat(64)}`, 'a'.repeat(64)],
);
const reference = fc.oneof(
  { weight: 3, arbitrary: evil },
  { weight: 3, arbitrary: fc.tuple(evil, evil).map(([a, b]) => a + b) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.string({ maxLength: 6 }), evil, fc.string({ maxLength: 6 })).map((t) => t.join('')),
  },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.stringMatching(/^[a-zA-Z0-9_.\-/:@%?&=#]{1,40}$/) },
);
export const corpus = [...new Set(fc.sample(reference, { numRuns: upTo(12_000, 2_400), seed: 20_261_121 }))].slice(
  0,
  upTo(5_000, 1_000),
);
