/** `deckhand client …`: words and exit codes; whose settings lie where, and how they are edited, is setup/clients'. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { environment, homes, surroundings, variable } from '../config/env.ts';
import { OpsError } from '../core/errors.ts';
import { table } from '../core/table.ts';
import type { ClientSpec, Done, Machine, Reach, Scope, Target } from '../setup/clients/index.ts';
import type { Given, Narrowing } from '../setup/clients/reach.ts';
import type { Run } from './commands.ts';
import { launched } from './launched.ts';
import { viewOf } from './terminal.ts';
import { sameSettings, shell } from './welcome.ts';

/** Editors and their parsers: only for these commands. */
const clients = () => import('../setup/clients/index.ts');
const reaching = () => import('../setup/clients/reach.ts');

export async function list({ own, io }: Run): Promise<number> {
  const { listed } = await clients();
  const rows = listed(machine());
  if (own.json) io.out(JSON.stringify(rows, null, io.outTty ? 2 : 0));
  else {
    const heads = ['CLIENT', 'HERE', 'DECKHAND', 'FILE'].map((head) => ({ head }));
    const said = rows.map((r) => [
      r.client,
      r.there ? 'yes' : 'no',
      r.names === null ? 'cannot be read' : r.names.join(', ') || '–',
      r.file,
    ]);
    io.out(table(heads, said, viewOf(io, Date.now())));
  }
  return 0;
}

export async function add(run: Run): Promise<number> {
  const { own, io } = run;
  const all = await clients();
  const spec = all.clientNamed(run.positionals[0] as string);
  const { name, reach, notes } = await asked(run, spec, true);
  const target = targetOf(run, spec);
  const done = all.add(target, name, reach, { replace: own.replace === true, create: own.create === true });
  say(run, done, [
    ...(done.state === 'same' ? [] : [...notes, ...asRoot()]),
    ...(target.dryRun || done.state === 'same' ? [] : [spec.next]),
  ]);
  if (!own.json && !target.dryRun && done.state !== 'same')
    io.err(`Take it back: deckhand client undo ${spec.id}${place(run)}`);
  return 0;
}

export async function print(run: Run): Promise<number> {
  const { own, io } = run;
  const { clientNamed, printed } = await clients();
  const { placeOf } = await import('../setup/clients/places.ts');
  const spec = clientNamed(run.positionals[0] as string);
  const { name, reach, notes } = await asked(run, spec, false);
  const text = printed(spec, name, reach);
  const target = targetOf(run, spec);
  const file = target.config ?? (spec.user || spec.project ? placeOf(spec, target.scope, target.machine) : null);
  if (own.json) io.out(JSON.stringify({ client: spec.id, file, name, text, notes }, null, io.outTty ? 2 : 0));
  else {
    io.out(text);
    for (const line of [
      file ? `Belongs into ${file}` : 'Belongs into its settings.',
      ...notes,
      ...byItself(spec, name, reach),
    ])
      io.err(line);
  }
  return 0;
}

export async function remove(run: Run): Promise<number> {
  const all = await clients();
  const spec = all.clientNamed(run.positionals[0] as string);
  const { checkName } = await reaching();
  const done = all.remove(targetOf(run, spec), checkName(word(run.own.name) ?? 'deckhand'));
  say(run, done, []);
  return 0;
}

export async function undo(run: Run): Promise<number> {
  const all = await clients();
  const spec = all.clientNamed(run.positionals[0] as string);
  say(run, all.undo(targetOf(run, spec)), []);
  return 0;
}

function machine(): Machine {
  const { platform } = process;
  // Whatever else there is keeps settings as Linux does.
  const known = platform === 'win32' || platform === 'darwin' ? platform : 'linux';
  return { platform: known, homes: homes(known === 'win32'), cwd: process.cwd() };
}

const word = (value: Run['own'][string] | undefined): string | null => (typeof value === 'string' ? value : null);
const words = (value: Run['own'][string] | undefined): string[] =>
  (Array.isArray(value) ? value : []).flatMap((w) => w.split(',')).filter((w) => w !== '');

function targetOf({ own }: Run, spec: ClientSpec): Target {
  const config = word(own.config);
  return {
    spec,
    scope: scopeOf(word(own.scope)),
    config: config === null ? null : resolve(config),
    machine: machine(),
    now: Date.now(),
    dryRun: own['dry-run'] === true,
  };
}

function scopeOf(given: string | null): Scope {
  if (given === null || given === 'user' || given === 'project') return given ?? 'user';
  throw new OpsError('validation', `“${given.slice(0, 40)}” is no scope.`, {
    hint: '--scope user, or --scope project.',
  });
}

interface Asked {
  name: string;
  reach: Reach;
  notes: string[];
}

/** `forReal`: a secret that has to be written is read; else a word stands for it. */
async function asked(run: Run, spec: ClientSpec, forReal: boolean): Promise<Asked> {
  const { own } = run;
  const { bySsh, byUrl, checkName, checkToken, nameOf, refuseWay, secretOf, writesIt } = await reaching();
  const ssh = word(own.ssh);
  const url = word(own.url);
  const narrowing: Narrowing = { toolsets: words(own.toolsets), readOnly: own['read-only'] === true };
  const bad = narrowing.toolsets.find((t) => !/^[a-z][a-z0-9_-]{0,40}$/.test(t));
  if (bad !== undefined)
    throw new OpsError('validation', `“${bad.slice(0, 40)}” is no toolset.`, {
      hint: 'For example --toolsets core,docker',
    });
  if ([ssh !== null, url !== null, own.stdio === true].filter(Boolean).length > 1)
    throw new OpsError('validation', 'One way at a time: --stdio, --ssh or --url.', {
      hint: 'Add the other one under another --name.',
    });
  const way = ssh !== null ? 'ssh' : url !== null ? 'url' : 'stdio';
  refuseWay(spec, way);
  const given = givenToken(own);
  if (given && way !== 'url')
    throw new OpsError('validation', 'A token belongs to --url; launched by the client, Deckhand needs none.', {
      hint: 'Leave it out.',
    });
  if (way !== 'ssh' && (own['ssh-option'] !== undefined || own.deckhand !== undefined))
    throw new OpsError('validation', '--ssh-option and --deckhand belong to --ssh.', { hint: 'Leave them out.' });
  const named = word(own.name);
  if (ssh !== null) {
    const options = Array.isArray(own['ssh-option']) ? own['ssh-option'] : [];
    const reach = bySsh(ssh, { options, deckhand: word(own.deckhand) ?? 'deckhand', narrowing });
    const notes = [
      `The client starts it without a terminal: ssh ${ssh} must work without a question (key and host key).`,
    ];
    return { name: checkName(named ?? nameOf('ssh', ssh)), reach, notes };
  }
  if (url !== null) {
    // What is wrong with the address is told before a name is made of it.
    byUrl(url, null, narrowing);
    const name = checkName(named ?? nameOf('url', url));
    const stdin = given?.from === 'input' && forReal && writesIt(spec) ? await standardInput(run) : '';
    const { token, notes } = secretOf(spec, name, given, () =>
      forReal ? checkToken(secretFrom(given as Given, stdin)) : '<TOKEN>',
    );
    const clear = token && url.startsWith('http:') && !/^http:\/\/(?:localhost|127\.|\[::1\])/.test(url);
    const open = clear
      ? ['Over http the token travels readable, unless the network itself is encrypted (a tailnet).']
      : [];
    return { name, reach: byUrl(url, token, narrowing), notes: [...notes, ...open] };
  }
  return { name: checkName(named ?? 'deckhand'), reach: await here(run, narrowing), notes: [] };
}

/** What started this, and the settings that make it the same Deckhand. */
async function here({ io, load }: Run, narrowing: Narrowing): Promise<Reach> {
  if (process.platform !== 'linux')
    throw new OpsError('unavailable', 'Deckhand serves Linux hosts, and this is none.', {
      hint: 'Say which host: --ssh [USER@]HOST where Deckhand is installed, or --url https://HOST/mcp where it serves.',
    });
  const { narrowFlags } = await reaching();
  const how = launched(environment(), io.outTty);
  const { DEFAULT_FILE } = await import('../config/load.ts');
  const flags = sameSettings(await load(), DEFAULT_FILE).filter(
    (f) =>
      !(narrowing.readOnly && f.startsWith('--mode=')) &&
      !(narrowing.toolsets.length > 0 && f.startsWith('--toolsets=')),
  );
  const [command = 'deckhand', ...first] = how.words;
  return { kind: 'command', command, args: [...first, 'stdio', ...flags, ...narrowFlags(narrowing)] };
}

function givenToken(own: Run['own']): Given | null {
  const given: Given[] = [];
  const file = word(own['token-file']);
  const name = word(own['token-env']);
  if (file !== null) given.push({ from: 'file', file });
  if (name !== null) given.push({ from: 'env', name });
  if (own.token !== undefined) {
    if (own.token !== '-')
      throw new OpsError('validation', 'A token is never an argument: everybody on the machine could read it.', {
        hint: '--token - reads it from standard input; or --token-file FILE, --token-env NAME. That token is to be revoked now.',
      });
    given.push({ from: 'input' });
  }
  if (given.length > 1)
    throw new OpsError('validation', 'One token at a time.', { hint: '--token-file, --token-env or --token -.' });
  return given[0] ?? null;
}

function secretFrom(given: Given, stdin: string): string {
  if (given.from === 'input') return stdin;
  if (given.from === 'file') return readFileSync(given.file, 'utf8').slice(0, 8_192);
  const value = variable(given.name);
  if (value !== null) return value;
  throw new OpsError('not_found', `${given.name} is not set.`, {
    hint: 'This client cannot read variables: the token is written, and so must be known now.',
  });
}

async function standardInput({ io, signal }: Run): Promise<string> {
  if (io.inTty) return (await io.ask('Token: ', signal)) ?? '';
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += chunk;
    if (text.length > 8_192) break;
  }
  return text;
}

const SAID: Record<Done['state'], string> = {
  added: 'is entered in',
  replaced: 'is replaced in',
  same: 'stands already, just so, in',
  removed: 'is taken out of',
  absent: 'is not in',
  restored: 'is taken back in',
};

function say({ own, io }: Run, done: Done, notes: string[]): void {
  const dryRun = own['dry-run'] === true;
  if (own.json) {
    io.out(JSON.stringify({ ...done, dryRun, notes }, null, io.outTty ? 2 : 0));
    return;
  }
  if (dryRun && done.diff !== '') io.out(done.diff);
  else {
    const gone = done.made && (done.state === 'removed' || done.state === 'restored');
    io.out(
      `“${done.name}” ${SAID[done.state]} ${done.file}${gone ? ' (the file was made for it, and is gone again)' : ''}.`,
    );
  }
  for (const note of notes) io.err(note);
}

/** What must be said again to reach the same file. */
const place = ({ own }: Run) =>
  [
    word(own.scope) === 'project' ? ' --scope project' : '',
    word(own.config) ? ` --config ${shell(word(own.config) as string)}` : '',
  ].join('');

/** By sudo a person's own settings are not those that were written. */
const asRoot = (): string[] =>
  process.geteuid?.() === 0 && surroundings().sudoUid !== null
    ? ['This was entered for root: run it without sudo for your own client.']
    : [];

/** Claude Code can enter it by itself; where a secret would be among the words, that is not shown. */
function byItself(spec: ClientSpec, name: string, reach: Reach): string[] {
  if (spec.id !== 'claude-code' || (reach.kind === 'url' && reach.token)) return [];
  const tail =
    reach.kind === 'url'
      ? `--transport http ${name} ${shell(reach.url)}`
      : `${name} -- ${[reach.command, ...reach.args].map(shell).join(' ')}`;
  return [`Or let it do it itself: claude mcp add --scope user ${tail}`];
}
