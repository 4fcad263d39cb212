/**
 * `deckhand doctor`: what this host lacks or hides, each with the exact command that mends it. Decides order, words and exit code;
 * the checks are in doctor_state.ts (our own house) and doctor_host.ts (the machine). Changes nothing: where no state
 * folder exists yet, or it cannot be used, the machine is looked at over a temporary one.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type App, auditOf, createApp, showUnit } from '../app.ts';
import { environment } from '../config/env.ts';
import { type Loaded, loadConfig } from '../config/load.ts';
import { OpsError, toOpsError } from '../core/errors.ts';
import { createLog } from '../log.ts';
import type { Run } from './commands.ts';
import { auditChecks } from './doctor_audit.ts';
import { authChecks } from './doctor_auth.ts';
import { backupChecks } from './doctor_backup.ts';
import { fileChecks } from './doctor_files.ts';
import { hostChecks } from './doctor_host.ts';
import { limitChecks } from './doctor_limits.ts';
import { notifyChecks } from './doctor_notify.ts';
import { printPolkit } from './doctor_polkit.ts';
import { configChecks, nodeChecks, portChecks, stateChecks, storeChecks } from './doctor_state.ts';
import { tailnetChecks } from './doctor_tailnet.ts';
import { addressChecks, tlsChecks } from './doctor_tls.ts';
import { unitChecks } from './doctor_unit.ts';
import { usageChecks } from './doctor_usage.ts';
import { wrap } from './table.ts';
import type { Terminal } from './terminal.ts';
import { VERSION } from './version.ts';

export const SEVERITIES = ['broken', 'warning', 'info', 'ok'] as const;
export interface Check {
  code: string;
  severity: (typeof SEVERITIES)[number];
  title: string;
  text: string;
  /** The command or setting that mends it, null when there is nothing to mend. */
  fix: string | null;
}

export async function run({ own, io, load }: Run): Promise<number> {
  if (own.polkit === true) return printPolkit({ own, io, load });
  if (own.user !== undefined)
    throw new OpsError('validation', '--user goes with --polkit.', { hint: 'deckhand doctor --polkit --user NAME' });
  const checks = await examine(load);
  checks.sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
  if (own.json) io.out(JSON.stringify(checks, null, io.outTty ? 2 : 0));
  else io.out(print(checks, io));
  return checks.some((c) => c.severity === 'broken') ? 1 : 0;
}

async function examine(load: Run['load']): Promise<Check[]> {
  const checks: Check[] = nodeChecks(process);
  let loaded: Loaded;
  try {
    loaded = await load();
    checks.push(...configChecks(loaded));
  } catch (thrown) {
    const error = toOpsError(thrown);
    checks.push({
      code: 'config.broken',
      severity: 'broken',
      title: 'Configuration',
      text: error.message,
      fix: error.details.hint ?? null,
    });
    // The rest is looked at with the defaults.
    const { HOME, XDG_STATE_HOME } = environment();
    loaded = await loadConfig({ env: { HOME, XDG_STATE_HOME }, defaultFile: '/nonexistent' });
  }
  checks.push(...(await limitChecks(loaded.config.limits)));
  checks.push(...(await addressChecks(loaded.config.http)), ...(await portChecks(loaded.config.http)));
  // While this is still the user who asked: as the service's own, there may be nobody to ask systemd.
  checks.push(...(await unitChecks(loaded.config, showUnit)));
  const { dir } = loaded.config.state;
  const state = stateChecks(dir);
  checks.push(...state.checks);
  let app = state.usable ? await tryOpen(loaded, checks) : null;
  if (app) {
    checks.push(...storeChecks(app), ...usageChecks(dir, loaded.config), ...(await audited(dir)));
    checks.push(...(await backupChecks(loaded.config, Date.now())));
  }
  const spare = app ? null : mkdtempSync(join(tmpdir(), 'deckhand-doctor-'));
  try {
    if (spare) {
      const elsewhere = { ...loaded, config: { ...loaded.config, state: { ...loaded.config.state, dir: spare } } };
      app = await tryOpen(elsewhere, checks);
    }
    if (app)
      checks.push(
        ...(await hostChecks(app.host.system)),
        ...(await authChecks(app)),
        ...(await tailnetChecks(app)),
        ...(await notifyChecks(app)),
      );
    // By now root has become the service's user, where the state is a service's.
    checks.push(...fileChecks(loaded.config.files.roots), ...(await tlsChecks(loaded.config.http)));
  } finally {
    await app?.close();
    if (spare) rmSync(spare, { recursive: true, force: true });
  }
  return checks;
}

/** What stops the reading is the state's own check to tell; the rest of the doctor goes on. */
async function audited(dir: string): Promise<Check[]> {
  try {
    return await auditChecks(auditOf(dir), Date.now());
  } catch (thrown) {
    const { message } = toOpsError(thrown);
    return [{ code: 'audit', severity: 'warning', title: 'Audit', text: message, fix: 'deckhand audit verify' }];
  }
}

async function tryOpen(loaded: Loaded, checks: Check[]): Promise<App | null> {
  try {
    // Only what is broken is worth a line here: the report says the rest.
    return await createApp({
      loaded,
      log: createLog({ ...loaded.config.log, level: 'error' }),
      role: 'cli',
      version: VERSION,
    });
  } catch (thrown) {
    const error = toOpsError(thrown);
    const cause = error.code === 'internal' && error.cause ? ` ${String((error.cause as Error).message ?? '')}` : '';
    checks.push({
      code: 'start',
      severity: 'broken',
      title: 'Start',
      text: `${error.message}${cause}`,
      fix: error.details.hint ?? null,
    });
    return null;
  }
}

const SIGNS: Record<Check['severity'], { word: string; kind: 'bad' | 'warn' | 'good' | 'dim' }> = {
  broken: { word: 'broken ', kind: 'bad' },
  warning: { word: 'warning', kind: 'warn' },
  info: { word: 'info   ', kind: 'dim' },
  ok: { word: 'ok     ', kind: 'good' },
};

export function print(checks: readonly Check[], io: Terminal): string {
  const width = Math.min(io.width, 110) - 9;
  const lines: string[] = [];
  for (const c of checks) {
    const { word, kind } = SIGNS[c.severity];
    const [first = '', ...more] = wrap(`${c.title}: ${c.text}`, width);
    lines.push(`${io.paint(kind, word)}  ${first}`, ...more.map((l) => `         ${l}`));
    // A command is never wrapped: it is there to be copied.
    if (c.fix && c.severity !== 'ok') lines.push(`         ${io.paint('dim', 'fix:')} ${c.fix}`);
  }
  const count = (s: Check['severity']) => checks.filter((c) => c.severity === s).length;
  lines.push(
    '',
    `${count('broken')} broken, ${count('warning')} to look at, ${count('info')} for information, ${count('ok')} in order.`,
  );
  return lines.join('\n');
}
