/** The adapter in front of a real systemd keeps the contract that the fake keeps. Loud when it is skipped. */
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { serviceHost } from '../../src/host/services/index.ts';
import { CONTRACT_FILES, CONTRACT_MASKED, contract } from './contract.ts';
import { bootSystemd, lacking, type Systemd, withUnits } from './systemd.ts';

const real = process.env.DECKHAND_REAL === '1';
const missing = real ? lacking() : [];
if (!real)
  process.stderr.write(
    'SKIPPED tests/services/contract_real: needs DECKHAND_REAL=1, root, systemd-nspawn and debootstrap.\n',
  );
if (missing.length > 0) throw new Error(`DECKHAND_REAL=1, but this machine lacks: ${missing.join(', ')}`);

describe.skipIf(!real)('systemd 257', () => {
  let lab: Systemd;
  let host: ReturnType<typeof serviceHost>;
  beforeAll(async () => {
    lab = await bootSystemd();
    host = serviceHost(lab.root, { exec: lab.exec, has: () => true });
    await withUnits(lab, CONTRACT_FILES, `systemctl mask --quiet ${CONTRACT_MASKED.join(' ')}`);
  }, 400_000);
  afterAll(async () => {
    await lab?.close();
    expect(lab?.left() ?? []).toEqual([]);
  }, 30_000);

  contract('the adapter', () => host);
});
