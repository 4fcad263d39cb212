/** An audit of several closed segments, copies of it, and a checker that knows no chain: for the tests of tampering and the soak. */
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openAudit } from '../../src/store/audit.ts';
import { readKey } from '../../src/store/audit_key.ts';
import { type Verdict, verifyAudit } from '../../src/store/audit_verify.ts';
import { openState, type StateDir } from '../../src/store/state.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {} };

export const segmentsOf = (state: StateDir): string[] =>
  readdirSync(state.audit)
    .filter((n) => /^\d/.test(n))
    .sort();

/** `count` segments of `records` each, all closed; times apart, so that their order is that of their names. */
export function written(dir: string, count: number, records: number): StateDir {
  const state = openState(dir);
  for (let s = 0; s < count; s++) {
    let ms = Date.UTC(2026, 10, 21) + s * 60_000;
    const audit = openAudit(state, silent, { now: () => ms });
    for (let i = 0; i < records; i++) {
      audit.append(i % 3 === 2 ? 'intent' : 'call', {
        tool: i % 2 ? 'process_list' : 'system_overview',
        call: `s${s}i${i}`,
        who: 'stdio:0',
        args: { limit: i, name: 'Grüße' },
        targets: [{ kind: 'unit', name: 'nginx.service' }],
      });
      if (i % 3 === 2) audit.append('call', { call: `s${s}i${i}`, outcome: 'done' });
      ms += 1_000;
    }
    audit.close();
  }
  return state;
}

export function copied(from: StateDir, dir: string): StateDir {
  mkdirSync(dir, { mode: 0o700 });
  cpSync(from.dir, dir, { recursive: true });
  chmodSync(dir, 0o700);
  return openState(dir);
}

export const verified = (state: StateDir): Verdict => verifyAudit(state.audit, readKey(state.auditKey));

/** Control: what a checker finds that only looks whether each line is JSON. */
export function naive(state: StateDir): string[] {
  return readdirSync(state.audit)
    .filter((n) => n.endsWith('.jsonl'))
    .filter((name) => {
      try {
        for (const line of readFileSync(join(state.audit, name), 'utf8').split('\n')) if (line) JSON.parse(line);
        return false;
      } catch {
        return true;
      }
    });
}
