/**
 * What `deckhand serve` says once it listens: everything a newcomer pastes next. Pure; whether a secret may be among it is
 * decided in launched.ts, and that a token is made in serve.ts.
 */

import { settings } from '../config/known.ts';
import type { Loaded } from '../config/load.ts';

export interface Welcome {
  version: string;
  hostname: string;
  kind: string;
  /** The MCP endpoint. */
  url: string;
  mode: string;
  toolsets: readonly string[];
  /** How this person runs the command again: `deckhand`, or the path of the launcher. */
  command: string;
  /** What starts it again (launched.ts), with the settings that another process needs to be the same Deckhand. */
  stdio: readonly string[];
  token: { made: { name: string; role: string; secret: string } } | { made: null; count: number; why: string | null };
}

/** Stands where a secret is left out. */
const TOKEN = '<TOKEN>';

export function welcome(w: Welcome, bold: (text: string) => string, dim: (text: string) => string): string {
  const secret = w.token.made?.secret ?? TOKEN;
  const http = { type: 'http', url: w.url, headers: { Authorization: `Bearer ${secret}` } };
  const [node = 'node', ...args] = w.stdio;
  const json = JSON.stringify({ mcpServers: { deckhand: http } }, null, 2);
  const local = JSON.stringify({ mcpServers: { deckhand: { command: node, args } } });
  return [
    `Deckhand ${w.version} on ${w.hostname} (${w.kind}): mode ${w.mode}, toolsets ${w.toolsets.join(', ')}`,
    '',
    `  ${dim('URL')}    ${w.url}`,
    `  ${dim('token')}  ${tokenLine(w)}`,
    '',
    bold('Claude Code'),
    `  claude mcp add --transport http deckhand ${shell(w.url)} --header "Authorization: Bearer ${secret}"`,
    dim('or started by the client itself, without this server and without a token:'),
    `  claude mcp add deckhand -- ${w.stdio.map(shell).join(' ')}`,
    '',
    bold('Other clients'),
    ...json.split('\n').map((l) => `  ${l}`),
    dim('or started by the client itself:'),
    `  ${local}`,
    dim('or entered into the settings of one, each in its own form:'),
    `  ${w.command} client add CLIENT    (${w.command} client list)`,
    '',
    bold('Another host: Deckhand installed there, no server running'),
    '  claude mcp add HOST -- ssh HOST deckhand stdio',
    '',
    `More tokens: ${w.command} token add NAME --role viewer    What this host hides: ${w.command} doctor`,
  ].join('\n');
}

function tokenLine({ token, command }: Welcome): string {
  if (token.made)
    return `${token.made.secret}\n         named "${token.made.name}", role ${token.made.role}; shown this once`;
  const add = `${command} token add NAME --role operator`;
  if (token.count > 0) return `one of the ${token.count} that exist (${command} token list); another: ${add}`;
  return `none yet, and none was made: ${token.why ?? 'there is one already'}. Make one: ${add}`;
}

/** For a shell to read back as one word. */
export const shell = (word: string): string =>
  /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

/** Flags that make another process the same Deckhand: what came from the environment or the command line, but for the server's own. */
export function sameSettings(loaded: Loaded, defaultFile: string): string[] {
  const flags = loaded.file && loaded.file !== defaultFile ? ['--config', loaded.file] : [];
  for (const s of settings()) {
    const from = loaded.origins.get(s.path)?.from;
    if ((from !== 'env' && from !== 'flag') || s.secret || /^(http|log)\./.test(s.path)) continue;
    const value = s.keys.reduce<unknown>(
      (at, key) => (at as Record<string, unknown> | undefined)?.[key],
      loaded.config,
    );
    flags.push(`--${s.flag}=${Array.isArray(value) ? value.join(',') : String(value)}`);
  }
  return flags;
}
