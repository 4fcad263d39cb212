/** Adds ten tokens, for tokens.test.ts: state folder, prefix, and `naive` for the way without a lock. */
import { readFileSync, writeFileSync } from 'node:fs';
import { openState } from '../../src/store/state.ts';
import { openTokens } from '../../src/store/tokens.ts';

const [, , dir = '', prefix = '', way] = process.argv;
const quiet = () => {};
const state = openState(dir);
const tokens = openTokens(state, { debug: quiet, info: quiet, warn: quiet, error: quiet });
for (let i = 0; i < 10; i++)
  if (way === 'naive') {
    const file = JSON.parse(readFileSync(state.tokens, 'utf8')) as { tokens: object[] };
    const record = {
      name: `${prefix}${i}`,
      role: 'viewer',
      scopes: [],
      hash: '0'.repeat(64),
      createdAtMs: 0,
      expiresAtMs: null,
    };
    // The moment between reading and writing, made long enough to be met each time.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    writeFileSync(state.tokens, JSON.stringify({ ...file, tokens: [...file.tokens, record] }));
  } else tokens.add({ name: `${prefix}${i}`, role: 'viewer' });
