/** `deckhand backup …`: words and exit codes; what is copied, and how, is setup/backup's and the store's. */
import { resolve } from 'node:path';
import { environment, surroundings } from '../config/env.ts';
import { OpsError } from '../core/errors.ts';
import type { Run } from './commands.ts';

const MOST_KEPT = 1_000;

/** Loaded when asked for; root becomes the state's owner, as with every command that touches the state. */
async function house(run: Run) {
  const loaded = await settings(run);
  const [setup, { createLog }] = await Promise.all([import('../setup/backup/index.ts'), import('../log.ts')]);
  const log = createLog({ ...loaded.config.log, level: 'warn' });
  const credentials = surroundings().credentialsDirectory;
  return { ...loaded, setup, log, credentials, stateDir: resolve(loaded.config.state.dir) };
}

/**
 * A config that cannot be read (a secret that only the server is given) must not keep the state from being backed up: where the
 * environment names the state, as the unit does, the defaults do.
 */
async function settings({ load, io, own }: Run) {
  try {
    return await load();
  } catch (thrown) {
    const given = Object.entries(environment()).filter(([name]) => /^DECKHAND_(STATE|BACKUP)_/.test(name));
    if (!given.some(([name]) => name === 'DECKHAND_STATE_DIR') || own['with-config'] || own['with-secrets'])
      throw thrown;
    const { toOpsError } = await import('../core/errors.ts');
    io.err(io.paint('warn', `Going on with the defaults: ${toOpsError(thrown).message}`, 'err'));
    const { loadConfig } = await import('../config/load.ts');
    return loadConfig({ env: Object.fromEntries(given), defaultFile: '/nonexistent' });
  }
}

export async function create(run: Run): Promise<number> {
  const { own, io } = run;
  const { setup, config, log, credentials, stateDir, file, secretFiles } = await house(run);
  const keep = keepOf(own.keep, config.backup.keep);
  const secrets = own['with-secrets'] === true;
  // Root may read what the state's owner may not.
  const extra = secrets || own['with-config'] === true ? setup.configFiles(file, secrets ? secretFiles : []) : [];
  setup.becomeOwner(stateDir);
  const { VERSION } = await import('./version.ts');
  const folder = setup.folderOf(stateDir, config.backup.dir, textOf(own.to));
  const made = await setup.createBackup({
    stateDir,
    folder,
    keep,
    version: VERSION,
    signal: run.signal,
    log,
    extra,
    credentials,
  });
  const { backup, verdict, removed } = made;
  if (own.json) {
    const { path, bytes, manifest } = backup;
    const said = { path, bytes, files: manifest?.files.length, at: manifest?.at, sha256: manifest?.sha256 };
    io.out(JSON.stringify({ ...said, verified: verdict.ok, notes: verdict.notes, removed }, null, io.outTty ? 2 : 0));
    return 0;
  }
  io.out(backup.path);
  io.err(
    `${sizeOf(backup.bytes)} in ${backup.manifest?.files.length} files, verified. SHA-256 ${backup.manifest?.sha256}`,
  );
  for (const note of verdict.notes) io.err(io.paint('warn', note, 'err'));
  if (removed.length) io.err(`Gave up ${removed.length}: ${removed.join(', ')} (backup.keep: ${keep}).`);
  return 0;
}

export async function list(run: Run): Promise<number> {
  const { own, io } = run;
  const { setup, config, stateDir } = await house(run);
  setup.becomeOwner(stateDir);
  const folder = setup.folderOf(stateDir, config.backup.dir, textOf(own.from));
  const backups = setup.backupsIn(folder, stateDir);
  const asides = setup.asides(stateDir);
  if (own.json) {
    const records = backups.map(({ name, path, manifest, bytes, ours }) => ({
      ...{ name, path, bytes, thisHost: ours, at: manifest?.at ?? null, version: manifest?.version ?? null },
      ...{ host: manifest?.host ?? null, state: manifest?.state ?? null, sha256: manifest?.sha256 ?? null },
    }));
    io.out(JSON.stringify({ folder, backups: records, putAside: asides }, null, io.outTty ? 2 : 0));
    return 0;
  }
  if (backups.length === 0) io.err(`There is no backup in ${folder}. Make one: deckhand backup create`);
  else {
    const [{ table }, { viewOf }] = await Promise.all([import('../core/table.ts'), import('./terminal.ts')]);
    const rows = backups.map(({ name, manifest: m, bytes, ours }) => [
      name,
      m ? m.at.slice(0, 16).replace('T', ' ') : 'not readable',
      m ? sizeOf(bytes) : null,
      m?.version ?? null,
      m === null || ours ? '' : `${m.host}:${m.state}`,
    ]);
    const heads = [
      { head: 'BACKUP' },
      { head: 'MADE (UTC)' },
      { head: 'SIZE', align: 'right' as const },
      { head: 'VERSION' },
    ];
    io.out(table([...heads, { head: 'OF ANOTHER STATE' }], rows, viewOf(io, Date.now())));
    io.err(`In ${folder}. Whether they are in order: deckhand backup verify --all`);
  }
  for (const name of asides) io.err(`Put aside by a restore: ${name}. Back to it: deckhand backup restore ${name}`);
  return 0;
}

export async function verify(run: Run): Promise<number> {
  const { own, io, positionals } = run;
  const { setup, config, credentials, stateDir } = await house(run);
  setup.becomeOwner(stateDir);
  const folder = setup.folderOf(stateDir, config.backup.dir, textOf(own.from));
  if (own.all === true && positionals.length)
    throw new OpsError('validation', '--all goes without a name.', { hint: 'Give one of the two.' });
  const all = own.all === true ? setup.backupsIn(folder, stateDir) : [];
  const chosen = all.length ? all : [setup.findBackup(folder, stateDir, positionals[0])];
  const records: object[] = [];
  let good = true;
  for (const backup of chosen) {
    const verdict = await setup.verifyBackup(backup, run.signal, credentials);
    good &&= verdict.ok;
    records.push({ name: backup.name, path: backup.path, at: backup.manifest?.at ?? null, ...verdict });
    if (own.json) continue;
    for (const p of verdict.problems) io.out(`${io.paint('bad', 'problem')}  ${backup.name}: ${p}`);
    for (const n of verdict.notes) io.out(`${io.paint('warn', 'note')}  ${backup.name}: ${n}`);
    const size = `${backup.manifest?.files.length ?? 0} files, ${sizeOf(backup.bytes)}`;
    io.out(
      verdict.ok
        ? `${io.paint('good', 'good')}  ${backup.name}: ${size}, made ${backup.manifest?.at} by ${backup.manifest?.version}.`
        : `${io.paint('bad', 'bad')}  ${backup.name}: ${verdict.problems.length} problems. It cannot be restored.`,
    );
  }
  if (own.json) io.out(JSON.stringify(own.all === true ? records : records[0], null, io.outTty ? 2 : 0));
  return good ? 0 : 1;
}

export async function restore(run: Run): Promise<number> {
  const { own, io, positionals } = run;
  const { setup, config, log, credentials, stateDir } = await house(run);
  setup.becomeOwner(stateDir);
  const folder = setup.folderOf(stateDir, config.backup.dir, textOf(own.from));
  const o = { stateDir, folder, given: positionals[0] as string, signal: run.signal, log, credentials };
  const plan = await setup.planRestore(o);
  const what = plan.backup ? `the backup of ${plan.backup.manifest?.at}` : `the state ${o.given} that was put aside`;
  const dry = own['dry-run'] === true;
  if (!own.json) {
    io.err(
      `${stateDir} becomes ${what}${plan.backup ? ', which is in order' : ''}. The present one goes to ${plan.aside}/ in it.`,
    );
    for (const note of plan.notes) io.err(io.paint('warn', note, 'err'));
    // Revoked since, they would hold again: the owner must hear of it before.
    if (plan.tokens.come.length)
      io.err(
        io.paint('warn', `Tokens that hold again: ${plan.tokens.come.join(', ')}. Revoke what should not.`, 'err'),
      );
    if (plan.tokens.go.length) io.err(`Tokens that hold no longer: ${plan.tokens.go.join(', ')}.`);
  }
  if (!dry && own.yes !== true) {
    if (!io.inTty)
      throw new OpsError('validation', 'Nobody can be asked here, and nothing was changed.', { hint: 'Give --yes.' });
    if (!/^y(es)?$/i.test(((await io.ask('Do it? [y/N] ', run.signal)) ?? '').trim())) {
      io.err('Nothing was changed.');
      return 1;
    }
  }
  if (!dry) await setup.restore(o, plan);
  const back = `deckhand backup restore ${plan.aside}`;
  if (own.json)
    io.out(
      JSON.stringify(
        {
          restored: !dry,
          from: plan.backup?.path ?? o.given,
          stateDir,
          putAside: plan.aside,
          notes: plan.notes,
          tokens: plan.tokens,
        },
        null,
        io.outTty ? 2 : 0,
      ),
    );
  else if (dry) io.err('Nothing was changed: this was a dry run.');
  else io.err(`Restored. Start Deckhand again. Back to what was: stop it, then ${back}`);
  return 0;
}

const textOf = (value: Run['own'][string] | undefined) => (typeof value === 'string' ? value : undefined);

function keepOf(given: Run['own'][string] | undefined, configured: number): number {
  if (given === undefined) return configured;
  const n = Number(given);
  if (/^\d+$/.test(String(given)) && n >= 1 && n <= MOST_KEPT) return n;
  throw new OpsError('validation', `--keep: "${String(given).slice(0, 40)}" is no number from 1 to ${MOST_KEPT}.`, {
    hint: `For example --keep ${configured}.`,
  });
}

function sizeOf(bytes: number): string {
  if (bytes < 1024 * 1024) return `${Math.ceil(bytes / 1024)} KiB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
