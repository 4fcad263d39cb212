/** What is known of one client: where its settings lie, how Deckhand is written there. Words only; the table is catalog.ts. */

export type Platform = 'linux' | 'darwin' | 'win32';
export type Scope = 'user' | 'project';
export type WayName = 'stdio' | 'ssh' | 'url';
export type Value = string | number | boolean | readonly Value[] | { readonly [key: string]: Value };
export type Entry = { readonly [key: string]: Value };

/** `env`: named, not written. `ask`: the client asks its user. `plain`: written as it is. */
export type Token = { env: string } | { ask: string } | { plain: string };

/** How a client reaches Deckhand. A command is the same to it whether ssh stands in front or not. */
export type Reach =
  | { kind: 'command'; command: string; args: readonly string[] }
  | { kind: 'url'; url: string; token: Token | null };

/** Within a file: the property `key` of the object at `container`, or the item with that `id` in the array there. */
export type Spot = { container: readonly string[]; key: string } | { container: readonly string[]; id: string };

export interface Addition {
  spot: Spot;
  value: Entry;
}

export interface ClientSpec {
  id: string;
  title: string;
  format: 'jsonc' | 'toml' | 'yaml';
  /** The object that holds a server under its name. */
  container: readonly string[];
  /** Templates (places.ts); the first that exists, else the first. Null: this client has no such file. */
  user: Readonly<Record<Platform, readonly string[] | null>> | null;
  /** From the project's folder. */
  project: string | null;
  /** Says that the client is there, where the file's own folder does not. */
  marker?: string;
  ways: readonly WayName[];
  /** How an environment variable is named in a header. Null: it is not, so that a token would be written as it is. */
  env: ((name: string) => string) | null;
  /** Asks its user for a secret, and keeps it. */
  asks?: true;
  entry(reach: Reach, name: string): Entry;
  /** What else must stand in the file for that entry. */
  beside?(reach: Reach): Addition[];
  /** What makes the client read it. */
  next: string;
  /** The page of documentation that the format was read from. */
  source: string;
}

/** What stands behind `Bearer `, as this client is to read it. */
export function bearer(token: Token, env: ClientSpec['env']): string {
  if ('plain' in token) return `Bearer ${token.plain}`;
  if ('ask' in token) return `Bearer \${input:${token.ask}}`;
  return `Bearer ${env ? env(token.env) : token.env}`;
}
