/**
 * From the words of a command to how a client reaches Deckhand: launched here, through ssh, or at an address with or without a token.
 * Decides what is refused, names, and whether a token is named, asked for or written; the shape is the client's (catalog.ts).
 */
import { isIP } from 'node:net';
import { OpsError } from '../../core/errors.ts';
import type { ClientSpec, Reach, Token, WayName } from './spec.ts';

export interface Narrowing {
  toolsets: readonly string[];
  readOnly: boolean;
}

const wrong = (message: string, hint: string) => new OpsError('validation', message, { hint });

/** A word for a shell: the far one, which ssh hands one line to. */
const quoted = (word: string) => (/^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

export const narrowFlags = ({ toolsets, readOnly }: Narrowing): string[] => [
  ...(toolsets.length > 0 ? [`--toolsets=${toolsets.join(',')}`] : []),
  ...(readOnly ? ['--mode=read-only'] : []),
];

/** `[user@]HOST`, as ssh takes it: never a flag, nothing that a shell would read. */
const HOST = /^(?:[A-Za-z0-9_][A-Za-z0-9_.+-]*@)?(?:[A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9a-fA-F:]+(?:%[A-Za-z0-9_.-]+)?)$/;
const OPTION = /^[A-Za-z]+=[^\r\n\0]{1,200}$/;
/** Of ssh's options, those that run a program of their own here or there. */
const RUNS = /^(?:ProxyCommand|LocalCommand|RemoteCommand|KnownHostsCommand)=/i;

export function bySsh(
  host: string,
  o: { options: readonly string[]; deckhand: string; narrowing: Narrowing },
): Extract<Reach, { kind: 'command' }> {
  if (!HOST.test(host))
    throw wrong(
      `“${host.slice(0, 80)}” is no [USER@]HOST.`,
      'Write --ssh nas, --ssh root@192.168.1.10, or a Host of ~/.ssh/config.',
    );
  const option = o.options.find((w) => !OPTION.test(w) || RUNS.test(w));
  if (option !== undefined)
    throw wrong(
      `“${option.slice(0, 80)}” is no option that is passed on.`,
      'Write --ssh-option Port=2222; what runs programs belongs into ~/.ssh/config.',
    );
  const far = [o.deckhand, 'stdio', ...narrowFlags(o.narrowing)].map(quoted);
  // No terminal, which would change the bytes; and no question that nobody could answer.
  const args = ['-T', '-o', 'BatchMode=yes', ...o.options.flatMap((w) => ['-o', w]), host, ...far];
  return { kind: 'command', command: 'ssh', args };
}

export function byUrl(text: string, token: Token | null, narrowing: Narrowing): Extract<Reach, { kind: 'url' }> {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol))
    throw wrong(`“${text.slice(0, 200)}” is no http or https address.`, 'Write --url https://HOST/mcp');
  if (url.username || url.password)
    throw wrong(
      'A user or password in the address would stand in every log.',
      'Give a token by --token-file, --token-env or --token -.',
    );
  if (url.pathname === '/' || url.hash)
    throw wrong(`${url.origin}${url.pathname} is no endpoint.`, `Write --url ${url.origin}/mcp`);
  // Written by hand: URLSearchParams would turn the commas into %2C.
  const query = [
    ...(narrowing.toolsets.length > 0 ? [`toolsets=${narrowing.toolsets.join(',')}`] : []),
    ...(narrowing.readOnly ? ['readonly'] : []),
  ].join('&');
  return { kind: 'url', url: url.href + (query === '' ? '' : `${url.search ? '&' : '?'}${query}`), token };
}

export function refuseWay(spec: ClientSpec, way: WayName): void {
  if (spec.ways.includes(way)) return;
  throw wrong(
    `${spec.title} starts programs only; its file takes no address.`,
    'Use --ssh HOST; or, where Deckhand is reached from the internet with OAuth, add it in its Settings under Connectors.',
  );
}

/** `deckhand`, or with the host where it is another one: two hosts are two servers to a client. */
export function nameOf(way: WayName, target: string): string {
  if (way === 'stdio') return 'deckhand';
  const host = way === 'url' ? new URL(target).hostname.replace(/^\[|\]$/g, '') : target.replace(/^.*@/, '');
  const word = (isIP(host) ? host : (host.split('.')[0] ?? host)).toLowerCase().replace(/[^a-z0-9]+/g, '-');
  return `deckhand-${word.replace(/^-|-$/g, '')}`;
}

export function checkName(name: string): string {
  if (/^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(name)) return name;
  throw wrong(`“${name.slice(0, 80)}” is no name.`, 'Letters, digits, - and _; it begins with a letter.');
}

export type Given = { from: 'env'; name: string } | { from: 'file'; file: string } | { from: 'input' };

/** Named in a client's environment; not DECKHAND_…, whose names are settings. */
const variableFor = (name: string) => `MCP_${name.toUpperCase().replaceAll('-', '_')}_TOKEN`;

export interface Secret {
  token: Token | null;
  /** What the person must still do, or should know. */
  notes: string[];
}

/** Whether a token ends up in the file: else it need not be known. */
export const writesIt = (spec: ClientSpec): boolean => spec.env === null && !spec.asks;

/** `read` hands out the secret itself, and is asked only where it has to be written. */
export function secretOf(spec: ClientSpec, name: string, given: Given | null, read: () => string): Secret {
  if (!given) return { token: null, notes: [] };
  if (given.from === 'env' && !/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(given.name))
    throw wrong(
      `“${given.name.slice(0, 20)}…” is no name of a variable.`,
      '--token-env takes the name, never the token.',
    );
  if (given.from !== 'env' && spec.asks)
    return {
      token: { ask: `${name}-token` },
      notes: ['The token is not in the file: the client asks for it at the first start, and keeps it.'],
    };
  if (spec.env) {
    const variable = given.from === 'env' ? given.name : variableFor(name);
    const from = given.from === 'file' ? ` (for example by: export ${variable}="$(cat ${quoted(given.file)})")` : '';
    return {
      token: { env: variable },
      notes: [`The token is not in the file: start the client with ${variable} set${from}.`],
    };
  }
  return {
    token: { plain: read() },
    notes: [
      `${spec.title} reads no variables there: the token stands in the file as it is, and the file is readable for you alone.`,
    ],
  };
}

/** As tokens look: one word, so that a file of another kind is not taken for one. */
export function checkToken(text: string): string {
  const token = text.trim();
  if (/^[\x21-\x7e]{8,4096}$/.test(token)) return token;
  throw wrong(
    'That is no token: one word of visible characters was expected.',
    'A file or input with the token alone, as `deckhand token add` prints it.',
  );
}
