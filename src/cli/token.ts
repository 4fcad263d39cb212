/**
 * `deckhand token …`: bearer tokens for HTTP clients. Decides how rights and times are written on the command line and that
 * a secret stands alone on standard output; how tokens are made and kept is the store's business.
 */

import type { App } from '../app.ts';
import type { Flags } from '../config/flags.ts';
import { OpsError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { ROLES, SCOPES, type Scope } from '../core/scopes.ts';
import { table } from '../core/table.ts';
import type { Run } from './commands.ts';
import { viewOf } from './terminal.ts';

export async function add({ own, positionals, io, load, open }: Run): Promise<number> {
  const name = positionals[0] as string;
  // What is wrong with the words is told before anything is opened or made.
  const role = await roleOf(own.role, load);
  const scopes = scopesOf(own.scope);
  const expiresAtMs = own.expires === undefined ? null : expiryOf(String(own.expires), Date.now());
  const app = await open('cli');
  try {
    const { secret } = app.tokens.add({ name, role, scopes, expiresAtMs });
    const until = expiresAtMs === null ? 'does not expire' : `expires ${time(expiresAtMs)}`;
    const rights = [role, ...scopes].join(' + ');
    io.err(`Token ${name} (${rights}), ${until}. It is shown this once:`);
    io.out(secret);
    return 0;
  } finally {
    await app.close();
  }
}

export async function list({ own, io, open }: Run): Promise<number> {
  const app = await open('cli');
  try {
    const tokens = app.tokens.list();
    const used = tokens.map((t) => app.seen(`token:${t.name}`, t.fingerprint));
    if (own.json)
      io.out(
        JSON.stringify(
          tokens.map((t, i) => record(t, used[i] as Used)),
          null,
          io.outTty ? 2 : 0,
        ),
      );
    else if (tokens.length === 0) io.err('There is no token yet. Make one: deckhand token add NAME --role operator');
    else {
      io.out(listed(tokens, used, io, Date.now()));
      const why = used.find((u) => u.why !== null)?.why;
      if (why) io.err(`When they were used last is not known: ${why}.`);
    }
    return 0;
  } finally {
    await app.close();
  }
}

export async function revoke({ positionals, io, open }: Run): Promise<number> {
  const name = positionals[0] as string;
  const app = await open('cli');
  try {
    app.tokens.revoke(name);
    io.err(`Token ${name} is revoked; it holds no longer, also in servers that run.`);
    return 0;
  } finally {
    await app.close();
  }
}

type Records = ReturnType<App['tokens']['list']>;
type Used = ReturnType<App['seen']>;

const record = (t: Records[number], { known, why }: Used) => ({
  name: t.name,
  role: t.role,
  scopes: t.scopes,
  createdAt: time(t.createdAtMs),
  expiresAt: t.expiresAtMs === null ? null : time(t.expiresAtMs),
  fingerprint: t.fingerprint,
  lastUsedAt: known === null ? null : time(known.lastMs),
  lastAddress: known?.lastAddress ?? null,
  firstUsedAt: known === null ? null : time(known.firstMs),
  uses: known?.uses ?? (why === null ? 0 : null),
  daysUsed: known?.days ?? (why === null ? 0 : null),
  ...(why === null ? {} : { unknown: why }),
});

function listed(tokens: Records, used: Used[], io: Run['io'], now: number): string {
  const rows = tokens.map((t, i) => [
    t.name,
    [t.role, ...t.extra].join(' + '),
    time(t.createdAtMs).slice(0, 10),
    t.expiresAtMs === null ? 'never' : t.expiresAtMs <= now ? io.paint('warn', 'expired') : time(t.expiresAtMs),
    ...lastUse(used[i] as Used),
  ]);
  const heads = ['NAME', 'RIGHTS', 'MADE', 'EXPIRES', 'LAST USE', 'FROM'].map((head) => ({ head }));
  return table(heads, rows, viewOf(io, now));
}

const lastUse = ({ known, why }: Used): (string | null)[] =>
  known ? [time(known.lastMs), known.lastAddress] : [why === null ? 'never' : null, null];

const time = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

async function roleOf(given: Flags[string] | undefined, load: Run['load']): Promise<string> {
  const builtIn = ROLES.find((r) => r === given);
  if (builtIn) return builtIn;
  const own = given === undefined ? [] : (await load()).config.roles.map((r) => r.name);
  if (own.includes(String(given))) return String(given);
  throw new OpsError('validation', given === undefined ? 'Which role?' : `"${given}" is no role.`, {
    hint: '--role viewer (all read), operator (also change), admin, or one of `roles` in the config. The mode of the server still bounds all of them.',
    candidates: [...ROLES, ...own],
  });
}

function scopesOf(given: Flags[string] | undefined): Scope[] {
  const words = (Array.isArray(given) ? given : []).flatMap((w) => w.split(',')).filter((w) => w !== '');
  return words.map((word) => {
    const scope = SCOPES.find((s) => s === word);
    if (scope) return scope;
    const near = nearest(word, SCOPES, 3);
    throw new OpsError('validation', `"${word}" is no scope.`, {
      hint: `Scopes: ${SCOPES.join(', ')}.`,
      ...(near.length ? { candidates: near } : {}),
    });
  });
}

const HOUR = 3_600_000;
const UNITS: Record<string, number> = { h: HOUR, d: 24 * HOUR, w: 7 * 24 * HOUR, y: 365 * 24 * HOUR };
const LONGEST_YEARS = 100;

/** `30d` from now, or the end of that day (or that moment) in UTC. */
export function expiryOf(text: string, now: number): number {
  const span = /^([1-9]\d{0,5})([hdwy])$/.exec(text);
  const date = /^\d{4}-\d{2}-\d{2}$/.test(text)
    ? Date.parse(`${text}T23:59:59Z`)
    : /^\d{4}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:\d{2})$/.test(text)
      ? Date.parse(text)
      : Number.NaN;
  const at = span ? now + Number(span[1]) * (UNITS[span[2] as string] as number) : date;
  const fits = Number.isFinite(at) && at - now < LONGEST_YEARS * (UNITS.y as number);
  // Date.parse takes 2027-02-31 for March: what comes out must be the day that went in.
  if (!fits || (!span && text.length === 10 && new Date(at).toISOString().slice(0, 10) !== text))
    throw new OpsError('validation', `"${text}" is no time to expire at.`, {
      hint: 'Write 12h, 30d, 4w, 1y, 2027-01-31 or 2027-01-31T12:00:00Z.',
    });
  if (at <= now)
    throw new OpsError('validation', `${text} has passed.`, { hint: 'A token must expire in the future.' });
  return at;
}
