/** `deckhand service …`: words and exit codes; what is done on the machine is setup/service's. */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { environment } from '../config/env.ts';
import { DEFAULT_FILE, loadConfig } from '../config/load.ts';
import { OpsError } from '../core/errors.ts';
import * as setup from '../setup/service/index.ts';
import type { Run } from './commands.ts';
import { launched } from './launched.ts';

export async function install({ own, io, signal }: Run): Promise<number> {
  const dry = own['dry-run'] === true;
  const done = await setup.install(setup.thisMachine(signal), {
    own: dirname(dirname(launched(environment(), io.outTty).bin)),
    allow: Array.isArray(own.allow) ? own.allow : null,
    listen: own.listen === undefined ? null : String(own.listen),
    config: configured,
    dry,
    start: own['no-start'] !== true,
    say: say(io, own.json === true),
  });
  if (own.json)
    io.out(
      JSON.stringify({ ...done.record, address: done.address, dryRun: dry, changed: done.changed, steps: done.steps }),
    );
  else if (dry) io.out(planText(done.steps));
  else
    io.out(
      done.changed === 0 ? `Nothing to do: ${done.record?.version} is installed like this already.` : next(io, done),
    );
  return 0;
}

export async function status({ own, io, signal }: Run): Promise<number> {
  const m = setup.thisMachine(signal);
  const s = await setup.status(m, (await configured().catch(() => null))?.text ?? setup.OWN_ADDRESS);
  const good =
    s.installed && s.running.healthy && s.running.active === 'active' && s.differs.length === 0 && !s.interrupted;
  if (own.json) io.out(JSON.stringify(s, null, io.outTty ? 2 : 0));
  else if (!s.installed) io.out('Deckhand is not installed as a service on this host.');
  else {
    const { running: r } = s;
    const runs =
      r.active === 'active'
        ? `${r.version ?? 'unknown version'}, pid ${r.pid}${r.since ? `, since ${r.since}` : ''}`
        : r.active;
    const rows = [
      ['installed', `${s.version}${s.previous ? ` (before: ${s.previous})` : ''}`],
      ['kept', s.versions.join(', ')],
      ['runs', runs],
      ['answers', r.healthy ? `yes, at ${s.address}` : io.paint('bad', `no, at ${s.address}`)],
      ['powers', s.powers.join(', ') || 'none'],
      ...(s.copies.length ? [['store copies', s.copies.map((c) => `${c.folder} (${c.at})`).join('\n')]] : []),
    ];
    io.out(rows.map(([k, v]) => `${k?.padEnd(13)}${v}`).join('\n'));
    if (s.interrupted)
      io.out(
        io.paint(
          'warn',
          `interrupted: the change to ${s.interrupted.to}; sudo deckhand service install goes on with it`,
        ),
      );
    for (const text of s.differs) io.out(io.paint('warn', `differs: ${text}`));
    if (s.differs.length) io.out('Put right by: sudo deckhand service install');
  }
  return good ? 0 : 1;
}

export async function upgrade({ own, io, signal }: Run): Promise<number> {
  if (own.from === undefined)
    throw new OpsError('validation', 'Upgrade from which file?', { hint: '--from deckhand-VERSION-linux-ARCH.tar.gz' });
  const done = await setup.upgrade(setup.thisMachine(signal), {
    from: resolve(String(own.from)),
    sha256: own.sha256 === undefined ? undefined : String(own.sha256),
    downgrade: own.downgrade === true,
    dry: own['dry-run'] === true,
    config: configured,
    say: say(io, own.json === true),
  });
  if (own.json) io.out(JSON.stringify(done));
  else if (!done.changed) io.out(`Nothing to do: ${done.version} is installed.`);
  else if (done.dry)
    io.out(
      `The file is whole, and is version ${done.version}.\n` +
        `Would be done: unpack it, try it, copy the store, switch from ${done.from} to ${done.version}, restart, and back where it does not answer.`,
    );
  else io.out(`Version ${done.version} runs. Back to ${done.from}: sudo deckhand service rollback`);
  return 0;
}

export async function rollback({ own, io, signal }: Run): Promise<number> {
  const done = await setup.rollback(setup.thisMachine(signal), {
    to: own.to === undefined ? undefined : String(own.to),
    restoreStore: own['restore-store'] === true,
    config: configured,
    say: say(io, own.json === true),
  });
  if (own.json) io.out(JSON.stringify(done));
  else io.out(`Version ${done.version} runs again; ${done.from} is kept.`);
  return 0;
}

export async function uninstall({ own, io, signal }: Run): Promise<number> {
  const m = setup.thisMachine(signal);
  const purge = own.purge === true;
  setup.guard(m, 'uninstall');
  if (purge && own.yes !== true) await sure(io, signal);
  const { changed, stays } = await setup.uninstall(m, { purge, say: say(io, own.json === true) });
  if (own.json) io.out(JSON.stringify({ changed, stays }));
  else {
    io.out(changed === 0 ? 'Nothing of the service is installed here.' : 'The service is removed.');
    if (stays.length)
      io.out(
        ['What stays, and how it goes:', ...stays.map((s) => `  ${s.path.padEnd(22)} sudo ${s.command}`)].join('\n'),
      );
  }
  return 0;
}

async function sure(io: Run['io'], signal: AbortSignal): Promise<void> {
  const what = 'the state (tokens, audit, receipts), the settings and the user';
  if (!io.inTty)
    throw new OpsError('validation', `--purge removes ${what}, and nobody can be asked here.`, {
      hint: 'Say --yes if that is meant.',
    });
  const answer = await io.ask(`Remove the service, and ${what}, for good? [y/N] `, signal);
  if (!/^y(es)?$/i.test(answer?.trim() ?? ''))
    throw new OpsError('permission', 'Nothing was removed.', { hint: 'Without --purge they stay.' });
}

/** What the service itself will read: its file, and not this shell's environment. */
async function configured(): Promise<{ text: string; set: boolean }> {
  if (!existsSync(DEFAULT_FILE)) return { text: setup.OWN_ADDRESS, set: false };
  const { config, origins } = await loadConfig({ env: {}, flags: {} });
  const { host, port } = config.http;
  const set = ['http.host', 'http.port'].some((name) => origins.get(name)?.from === 'file');
  return { text: setup.addressText({ host, port }), set };
}

function say(io: Run['io'], quiet: boolean): setup.Say {
  return {
    step: ({ name, text }) => quiet || io.err(`  ${io.paint('dim', name.padEnd(8), 'err')} ${text}`),
    line: (text) => io.err(text),
  };
}

const planText = (steps: setup.Done['steps']): string =>
  [
    ...steps.map((s) => `  ${s.needed ? '+' : '='} ${s.name.padEnd(8)} ${s.text}`),
    steps.some((s) => s.needed) ? '+ would be done, = is there already. Nothing was changed.' : 'Nothing to do.',
  ].join('\n');

function next(io: Run['io'], done: setup.Done): string {
  const { record, address } = done;
  const at = address.replace(/^0\.0\.0\.0:|^\[::\]:/, `${'HOST'}:`);
  const lines = [`Deckhand ${record?.version} runs as deckhand.service, at http://${at}/mcp`];
  if (done.first)
    lines.push(
      '',
      io.paint('bold', 'Next'),
      '  a token         sudo deckhand token add laptop --role viewer',
      `  a client        claude mcp add --transport http deckhand http://${at}/mcp --header "Authorization: Bearer <TOKEN>"`,
      '  without server  claude mcp add HOST -- ssh HOST deckhand stdio',
      '  settings        /etc/deckhand/config.yaml, then: sudo systemctl restart deckhand',
      '  hidden here     sudo deckhand doctor',
    );
  const costs = setup.costsOf(record?.powers ?? [], done.folder);
  for (const { power, words } of costs)
    lines.push('', io.paint('bold', `--allow ${power}`), ...words.map((w) => `  ${w}`));
  if (done.first && costs.length === 0)
    lines.push(
      '',
      `More powers, each with its cost: sudo deckhand service install --allow ${setup.powersThere(done.folder).join('|')}`,
    );
  return lines.join('\n');
}
