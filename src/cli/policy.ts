/**
 * `deckhand policy …`: what the owner's roles and principals say of one principal and one call. Decides how a principal is written on the
 * command line and what it holds there; whether it may is policy/explain.ts's to say. Nothing is called and nothing is on record.
 */
import type { App } from '../app.ts';
import type { Flags } from '../config/flags.ts';
import type { Principal } from '../core/call.ts';
import { CODES, OpsError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { type Role, SCOPES, type Scope, scopesOf } from '../core/scopes.ts';
import { toolWords } from './arguments.ts';
import type { Run } from './commands.ts';
import type { Terminal } from './terminal.ts';

type Kind = Principal['kind'];
const KINDS: readonly Kind[] = ['token', 'jwt', 'tailnet', 'stdio', 'cli'];

export async function explain({ own, positionals, rest, io, open }: Run): Promise<number> {
  const [word, name = ''] = positionals;
  if (word !== 'call')
    throw new OpsError('validation', `"${word}" is not what can be explained.`, {
      hint: 'Write: deckhand policy explain --as WHO call TOOL --KEY VALUE',
    });
  const app = await open('cli');
  try {
    const who = principalOf(own, app);
    const tool = app.door.catalog.tools.find((t) => t.name === name);
    const words = tool ? toolWords(tool, rest) : { args: {}, json: rest.includes('--json') };
    const e = app.explain.call(who, name, words.args);
    if (own.json || words.json) io.out(JSON.stringify({ who: who.id, tool: name, ...e }, null, io.outTty ? 2 : 0));
    else {
      const verdict = e.yes
        ? e.approval === 'waits for a yes'
          ? 'yes, once a person says so'
          : 'yes'
        : `no: ${e.line}`;
      io.out(io.paint(e.yes ? 'good' : 'bad', verdict));
      for (const s of e.steps) io.out(`  ${s.ok ? '+' : '-'} ${s.what}${s.line ? io.paint('dim', `  ${s.line}`) : ''}`);
      if (e.targets.length > 0) io.out(`  on ${e.targets.join(', ')}`);
      tellLimits(io, e.limits);
    }
    return e.yes ? 0 : CODES.permission.exit;
  } finally {
    await app.close();
  }
}

export async function show({ own, io, open }: Run): Promise<number> {
  const app = await open('cli');
  try {
    const is = app.explain.show(principalOf(own, app));
    if (own.json) io.out(JSON.stringify(is, null, io.outTty ? 2 : 0));
    else {
      io.out(`${io.paint('bold', is.id)}${is.roles.length > 0 ? `, ${is.roles.join(' + ')}` : ''}`);
      io.out(`  scopes  ${is.scopes.join(', ') || 'none'}`);
      io.out(`  tools   ${is.tools.join(', ') || 'none'}`);
      tellLimits(io, is.limits);
    }
    return 0;
  } finally {
    await app.close();
  }
}

function tellLimits(io: Terminal, limits: object): void {
  const named = Object.entries(limits).map(([name, most]) => `${name} ${most}`);
  if (named.length > 0) io.out(`  limits  ${named.join(', ')}`);
}

/** As it would come in: what its credential holds is looked up where this host knows it, and told by flags elsewhere. */
export function principalOf(own: Flags, app: Pick<App, 'tokens' | 'config'>): Principal {
  const id = typeof own.as === 'string' ? own.as : '';
  const kind = KINDS.find((k) => id.startsWith(`${k}:`) && id.length > k.length + 1);
  if (!kind)
    throw new OpsError('validation', id === '' ? 'As whom?' : `"${id}" is no principal.`, {
      hint: '--as token:NAME, tailnet:LOGIN, tailnet:tag:NAME, jwt:ISSUER:SUBJECT, stdio:UID or cli:UID.',
    });
  const words = (given: Flags[string] | undefined) => (Array.isArray(given) ? given : []).flatMap((w) => w.split(','));
  const more = words(own.scope).map(scopeOf);
  const held = heldBy(kind, id, app);
  const roles = [...held.roles, ...words(own.role)];
  const tags = id.startsWith('tailnet:tag:') ? id.slice('tailnet:'.length).split(',') : [];
  return {
    id,
    kind,
    ...(tags.length > 0 ? { aliases: tags.map((tag) => `tailnet:${tag}`) } : {}),
    scopes: new Set([...held.scopes, ...more]),
    roles,
    expiresAtMs: null,
    valid: () => true,
  };
}

function heldBy(kind: Kind, id: string, { tokens, config }: Pick<App, 'tokens' | 'config'>) {
  const local = (role: Role) => ({ scopes: scopesOf(role), roles: [] as readonly string[] });
  if (kind === 'stdio') return local(config.stdio.role);
  if (kind === 'cli') return local(config.cli.role);
  if (kind !== 'token') return { scopes: [], roles: [] as readonly string[] };
  const name = id.slice('token:'.length);
  const all = tokens.list();
  const found = all.find((t) => t.name === name);
  if (found) return { scopes: found.scopes, roles: found.roles };
  const near = nearest(
    name,
    all.map((t) => t.name),
  ).map((n) => `token:${n}`);
  throw new OpsError('not_found', `There is no token named ${name}.`, {
    hint: 'See: deckhand token list',
    ...(near.length > 0 ? { candidates: near } : {}),
  });
}

function scopeOf(word: string): Scope {
  const scope = SCOPES.find((s) => s === word);
  if (scope) return scope;
  throw new OpsError('validation', `"${word}" is no scope.`, { hint: `Scopes: ${SCOPES.join(', ')}.` });
}
