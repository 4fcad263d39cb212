/**
 * Why a unit is down: all causes in order, over facts that were gathered elsewhere (tools/diagnose_unit.ts). Pure. What speaks for which
 * cause stands in causes_unit_*.ts, what an end means in service_exit.ts, words of logs in unit_said.ts. A fact that could not be had is
 * null and speaks for nothing.
 */
import { UNIT_LAST, UNIT_SAID } from './causes_unit_ended.ts';
import { troublesOf, type UnitCauseRow, type UnitFacts, type UnitSeen } from './causes_unit_seen.ts';
import { UNIT_STANDING, UNIT_STARTERS } from './causes_unit_standing.ts';
import { type Cause, causesOf } from './diagnose.ts';
import { serviceExit } from './service_exit.ts';

/** In the order in which equally sure ones are told. */
export const UNIT_ROWS: readonly UnitCauseRow[] = [...UNIT_STANDING, ...UNIT_SAID, ...UNIT_STARTERS, ...UNIT_LAST];

/** So many restarts by systemd itself, and up for less than that: no accident. */
const LOOP = { restarts: 3, upMs: 600_000 };

export function diagnoseUnit(facts: UnitFacts): { down: boolean; causes: Cause[] } {
  const { u, nowMs } = facts;
  const exit = serviceExit(u);
  const again =
    (u.restarts ?? 0) >= LOOP.restarts && u.active === 'active' && nowMs - (u.startedAtMs.value ?? 0) < LOOP.upMs;
  const loop =
    exit?.cause === 'start_limit' ||
    u.sub.startsWith('auto-restart') ||
    again ||
    (u.active === 'activating' && (u.restarts ?? 0) >= LOOP.restarts);
  const down = loop || isDown(facts);
  const seen: UnitSeen = { ...facts, down, loop, exit, troubles: troublesOf(facts.log) };
  return { down, causes: causesOf(UNIT_ROWS, seen, { UNIT: u.name }) };
}

/** A job that ended well, or has yet to be started by what waits for it, is not down. */
function isDown({ u, starters }: UnitFacts): boolean {
  if (u.active === 'active' || u.active === 'reloading' || u.active === 'refreshing' || u.active === 'activating')
    return false;
  if (u.active !== 'inactive' || u.load !== 'loaded') return true;
  const waits = (starters ?? []).some((s) => s.active === 'active');
  return !(waits && u.failedDependencies.length === 0);
}
