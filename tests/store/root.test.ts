/** Root on a service's state folder becomes the service's user before it opens anything. Needs root, hence DECKHAND_REAL=1. */
import { execFile } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { folder } from './bench.ts';

const root = process.env.DECKHAND_REAL === '1' && process.geteuid?.() === 0;
if (!root) process.stderr.write('SKIPPED tests/store/root.test.ts: needs DECKHAND_REAL=1 and root\n');

const NOBODY = 65_534;
const script = (become: boolean, dir: string) => `
  const { becomeOwner, openState } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/store/state.ts'))});
  const { openDb } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/store/db.ts'))});
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const became = ${become} && becomeOwner(${JSON.stringify(dir)});
  let error = null;
  try { openDb(openState(${JSON.stringify(dir)}), log).close(); } catch (e) { error = e.details?.hint ?? String(e); }
  console.log(JSON.stringify({ became, uid: process.geteuid(), gid: process.getegid(), groups: process.getgroups(), error }));
`;

describe.skipIf(!root)('root on the folder of another user', () => {
  async function run(become: boolean) {
    const base = folder();
    chmodSync(base, 0o755);
    const dir = join(base, 'state');
    mkdirSync(dir, { mode: 0o700 });
    chownSync(dir, NOBODY, NOBODY);
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script(become, dir)]);
    return { dir, said: JSON.parse(stdout) };
  }

  it('becomes that user, and all files are theirs', async () => {
    const { dir, said } = await run(true);
    expect(said).toMatchObject({ became: true, uid: NOBODY, gid: NOBODY, error: null });
    expect(said.groups).not.toContain(0);
    for (const name of readdirSync(dir)) expect(statSync(join(dir, name)).uid, name).toBe(NOBODY);
  });

  it('control: without that it is refused, with the command', async () => {
    const { said } = await run(false);
    expect(said).toMatchObject({ became: false, uid: 0, error: expect.stringContaining('chown') });
  });
});
