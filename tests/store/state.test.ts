import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FOREIGN_TRUST_MS, isAlive, newOwner } from '../../src/store/owner.ts';
import { openState } from '../../src/store/state.ts';
import { folder, thrownBy } from './bench.ts';

describe('state folder', () => {
  it('is made private, with its parts', () => {
    const state = openState(join(folder(), 'a', 'b'));
    for (const path of [state.dir, state.audit, state.blobs, state.leases])
      expect(statSync(path).mode & 0o777).toBe(0o700);
  });

  it.each([0o750, 0o705, 0o777])('with mode %o is refused, with the command that mends it', (mode) => {
    const dir = join(folder(), 'state');
    mkdirSync(dir);
    chmodSync(dir, mode);
    expect(thrownBy(() => openState(dir))).toMatchObject({
      code: 'permission',
      hint: expect.stringContaining(`chmod 700 ${dir}`),
    });
    chmodSync(dir, 0o700);
    expect(openState(dir).dir).toBe(dir);
  });

  it('under a folder that everybody can write is refused, but for a sticky one', () => {
    const above = join(folder(), 'above');
    mkdirSync(above);
    chmodSync(above, 0o777);
    expect(thrownBy(() => openState(join(above, 'state')))).toMatchObject({
      hint: expect.stringContaining(`chmod o-w ${above}`),
    });
    chmodSync(above, 0o1777);
    expect(openState(join(above, 'state')).dir).toContain('above');
  });

  it('may be our own link, and not a file', () => {
    const dir = folder();
    mkdirSync(join(dir, 'real'), { mode: 0o700 });
    symlinkSync(join(dir, 'real'), join(dir, 'link'));
    expect(openState(join(dir, 'link')).dir).toBe(join(dir, 'link'));
    writeFileSync(join(dir, 'file'), '');
    expect(thrownBy(() => openState(join(dir, 'file')))).toMatchObject({ code: 'conflict' });
  });
});

describe('owner of a row', () => {
  it('is alive while its process is, and told from a later process of the same number', () => {
    const self = newOwner();
    expect(isAlive(self, 0)).toBe(true);
    const [pid, start, ...rest] = self.split('.');
    expect(isAlive([pid, Number(start) + 1, ...rest].join('.'), 0)).toBe(false);
    expect(isAlive([2 ** 22 + 1, start, ...rest].join('.'), 0)).toBe(false);
    expect(isAlive([pid, start, 'otherboot', ...rest.slice(1)].join('.'), 0)).toBe(false);
    expect(isAlive('', 0)).toBe(false);
  });

  it('of another pid namespace is believed for an hour', () => {
    const [pid, start, boot, , instance] = newOwner().split('.');
    const other = [pid, start, boot, '1', instance].join('.');
    expect(isAlive(other, FOREIGN_TRUST_MS - 1)).toBe(true);
    expect(isAlive(other, FOREIGN_TRUST_MS)).toBe(false);
  });
});
