/**
 * Named bearer tokens. Decides how they are made, kept (only SHA-256 of 256 random bits: nothing to guess, so no slow hash
 * is needed) and found; what a role may do is decided in policy. The file is asked at every look-up, so that a token added
 * or revoked holds at once in every running process. A file we cannot trust refuses all tokens.
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { type BigIntStats, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { Log } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import { ROLES, type Role, SCOPES, type Scope, scopesOf } from '../core/scopes.ts';
import { exclusively } from './leases.ts';
import type { StateDir } from './state.ts';
import { writeWhole } from './write_whole.ts';

export const TOKEN_NAME = /^[a-z0-9][a-z0-9_-]{0,31}$/;
const SECRET = /^dh_[A-Za-z0-9_-]{43}$/;
/** Each look-up compares all of them. */
const MOST = 500;
const WAIT_MS = 5_000;
/** Less than the way of a revocation from one process to another. */
const BELIEVED_MS = 1;

/** One that is built in, or of the owner's config: kept by its name, and looked up when it is used. */
const ROLE_NAME = /^[a-z][a-z0-9_-]{0,31}$/;

export interface TokenRecord {
  name: string;
  role: string;
  /** A role that is not built in, for policy to look up; one that nobody defines (any more) gives nothing. */
  roles: string[];
  /** What it holds by itself: of a role that is built in, as that is now, and its own. */
  scopes: Scope[];
  /** Those given beside the role. */
  extra: Scope[];
  createdAtMs: number;
  expiresAtMs: number | null;
  /** Tells a token from an earlier one of the same name, in the audit and in a running session. Not secret. */
  fingerprint: string;
}

export interface Tokens {
  /** The only time that the secret is seen. */
  add(token: { name: string; role: string; scopes?: Scope[]; expiresAtMs?: number | null }): {
    secret: string;
    record: TokenRecord;
  };
  /** Null: unknown, expired, or the file cannot be trusted (see `problem`). `digest`: its SHA-256 as hex, of who has it already. */
  find(secret: string, digest?: string): TokenRecord | null;
  /** Whether this very token is still good: a session asks before each thing it grants. */
  holds(record: Pick<TokenRecord, 'name' | 'fingerprint'>): boolean;
  list(): TokenRecord[];
  revoke(name: string): void;
  /** Why all tokens are refused, with the command that mends it. */
  problem(): OpsError | null;
}

const File = z.strictObject({
  version: z.literal(1),
  tokens: z.array(
    z.strictObject({
      name: z.string().regex(TOKEN_NAME),
      role: z.string().regex(ROLE_NAME),
      scopes: z.array(z.enum(SCOPES)),
      hash: z.string().regex(/^[0-9a-f]{64}$/),
      createdAtMs: z.number(),
      expiresAtMs: z.number().nullable(),
    }),
  ),
});

interface Loaded {
  /** What the file was like when it was read; null: there is none. */
  stat: BigIntStats | null;
  tokens: { record: TokenRecord; hash: Buffer }[];
  problem: OpsError | null;
}

const isSame = (a: BigIntStats, b: BigIntStats): boolean =>
  a.ctimeNs === b.ctimeNs && a.mtimeNs === b.mtimeNs && a.ino === b.ino && a.size === b.size && a.dev === b.dev;

export function openTokens(
  state: StateDir,
  log: Log,
  now: () => number = Date.now,
  mono: () => number = () => performance.now(),
): Tokens {
  let loaded: Loaded | null = null;
  let lookedMs = Number.NEGATIVE_INFINITY;
  const path = state.tokens;

  /**
   * One stat when nothing changed; a rename always brings another inode or change time. One call asks three times within a few µs,
   * and on a virtual machine a stat is 8 of them: what was seen is believed for a millisecond.
   */
  function load(): Loaded {
    const atMs = mono();
    if (loaded && atMs - lookedMs < BELIEVED_MS) return loaded;
    lookedMs = atMs;
    return look();
  }

  function look(): Loaded {
    let stat: BigIntStats | null = null;
    let refusal: OpsError | null = null;
    try {
      const s = statSync(path, { bigint: true });
      if (loaded?.stat && isSame(loaded.stat, s)) return loaded;
      stat = s;
      const us = process.geteuid?.() ?? 0;
      if (!s.isFile()) refusal = refuse('is not a file', `rm -r ${path}`);
      else if (Number(s.uid) !== us) refusal = refuse(`belongs to uid ${s.uid}, not to ${us}`, `chown ${us} ${path}`);
      else if (Number(s.mode) & 0o077)
        refusal = refuse(
          'can be read or written by others, who may hold the hashes or have put theirs in',
          `chmod 600 ${path}`,
        );
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        return {
          stat: null,
          tokens: [],
          problem: refuse(`cannot be read (${(error as Error).message})`, `ls -l ${path}`),
        };
      if (loaded && loaded.stat === null) return loaded;
    }
    loaded = refusal ? { stat, tokens: [], problem: refusal } : parse(stat);
    if (loaded.problem) log.error({ path, hint: loaded.problem.details.hint }, loaded.problem.message);
    return loaded;
  }

  function parse(stat: BigIntStats | null): Loaded {
    if (stat === null) return { stat, tokens: [], problem: null };
    try {
      const { tokens } = File.parse(JSON.parse(readFileSync(path, 'utf8')));
      return {
        stat,
        problem: null,
        tokens: tokens.map(({ hash, scopes, ...rest }) => ({
          record: recordOf({ ...rest, extra: scopes }, hash),
          hash: Buffer.from(hash, 'hex'),
        })),
      };
    } catch {
      // What stands in the file is not repeated: it may be a secret in the wrong place.
      return {
        stat,
        tokens: [],
        problem: refuse('is damaged', `mv ${path} ${path}.damaged, then add the tokens anew`),
      };
    }
  }

  const refuse = (what: string, command: string) =>
    new OpsError('unavailable', `${path} ${what}; until that is mended all tokens are refused.`, {
      hint: `Run: ${command}`,
    });

  /** Reads, changes and writes while no other process does. The lock is the system's: it dies with its holder, and needs no database. */
  function change<T>(edit: (tokens: Loaded['tokens']) => { tokens: Loaded['tokens']; value: T }): T {
    state.ensure();
    return exclusively(join(state.leases, 'tokens'), WAIT_MS, () => {
      const found = look();
      if (found.problem) throw found.problem;
      const { tokens, value } = edit(found.tokens);
      const file: z.input<typeof File> = {
        version: 1,
        tokens: tokens.map(({ record: { fingerprint: _, scopes: __, roles: ___, extra, ...rest }, hash }) => ({
          ...rest,
          scopes: extra,
          hash: hash.toString('hex'),
        })),
      };
      writeWhole(path, `${JSON.stringify(file, null, 1)}\n`);
      lookedMs = Number.NEGATIVE_INFINITY;
      return value;
    });
  }

  const expired = (record: TokenRecord) => record.expiresAtMs !== null && record.expiresAtMs <= now();

  return {
    add({ name, role, scopes = [], expiresAtMs = null }) {
      if (!TOKEN_NAME.test(name))
        throw new OpsError('validation', `"${name}" is no name for a token.`, {
          hint: 'Up to 32 of a-z, 0-9, _ and -, beginning with a letter or digit.',
        });
      if (!ROLE_NAME.test(role))
        throw new OpsError('validation', `"${role}" is no name of a role.`, {
          hint: `Roles: ${ROLES.join(', ')}, or one of \`roles\`.`,
        });
      if (expiresAtMs !== null && !(expiresAtMs > now()))
        throw new OpsError('validation', 'A token must expire in the future.', { hint: 'Give a later time, or none.' });
      return change((tokens) => {
        if (tokens.some((t) => t.record.name === name))
          throw new OpsError('conflict', `There is a token named ${name} already.`, {
            hint: `Choose another name, or run: deckhand token revoke ${name}`,
          });
        if (tokens.length >= MOST)
          throw new OpsError('limit', `There are ${MOST} tokens, which is the most.`, {
            hint: 'Revoke what is not used: deckhand token list',
          });
        const secret = `dh_${randomBytes(32).toString('base64url')}`;
        const hashed = hash('sha256', secret, 'buffer');
        const record = recordOf(
          { name, role, extra: [...new Set(scopes)], createdAtMs: now(), expiresAtMs },
          hashed.toString('hex'),
        );
        return { tokens: [...tokens, { record, hash: hashed }], value: { secret, record } };
      });
    },

    find(secret, digest) {
      if (!SECRET.test(secret)) return null;
      const asked = digest === undefined ? hash('sha256', secret, 'buffer') : Buffer.from(digest, 'hex');
      let found: TokenRecord | null = null;
      // All are compared, equal or not: the time says nothing about which one, or how far it agreed.
      for (const token of load().tokens) if (timingSafeEqual(token.hash, asked)) found = token.record;
      return found && !expired(found) ? found : null;
    },

    holds({ name, fingerprint }) {
      return load().tokens.some(({ record: r }) => r.name === name && r.fingerprint === fingerprint && !expired(r));
    },

    list() {
      const { problem, tokens } = load();
      if (problem) throw problem;
      return tokens.map((t) => t.record);
    },

    revoke(name) {
      change((tokens) => {
        const rest = tokens.filter((t) => t.record.name !== name);
        if (rest.length === tokens.length)
          throw new OpsError('not_found', `There is no token named ${name}.`, {
            hint: 'See: deckhand token list',
            candidates: nearest(
              name,
              tokens.map((t) => t.record.name),
            ),
          });
        return { tokens: rest, value: undefined };
      });
    },

    problem: () => load().problem,
  };
}

const isBuiltIn = (role: string): role is Role => (ROLES as readonly string[]).includes(role);

function recordOf(token: Omit<TokenRecord, 'scopes' | 'roles' | 'fingerprint'>, hash: string): TokenRecord {
  const { role } = token;
  const scopes = [...new Set([...(isBuiltIn(role) ? scopesOf(role) : []), ...token.extra])];
  return { ...token, roles: isBuiltIn(role) ? [] : [role], scopes, fingerprint: hash.slice(0, 12) };
}

/** Names that begin alike first, then the rest by the alphabet; ten at most. */
function nearest(name: string, names: string[]): string[] {
  const alike = (other: string) => {
    let n = 0;
    while (n < name.length && name[n] === other[n]) n++;
    return n;
  };
  return names.sort((a, b) => alike(b) - alike(a) || (a < b ? -1 : 1)).slice(0, 10);
}

/** Of a file that is not in use: a backup's. `problem` repeats nothing that stands in it. */
export function readTokens(text: string): {
  tokens: Pick<TokenRecord, 'name' | 'role' | 'fingerprint'>[];
  problem: string | null;
} {
  try {
    const { tokens } = File.parse(JSON.parse(text));
    return {
      tokens: tokens.map(({ hash, scopes, ...rest }) => recordOf({ ...rest, extra: scopes }, hash)),
      problem: null,
    };
  } catch {
    return { tokens: [], problem: 'is damaged' };
  }
}
