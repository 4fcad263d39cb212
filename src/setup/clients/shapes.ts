/** The forms that several clients share: where files lie, how a command or an address is written, how a variable is named. */
import { bearer, type ClientSpec, type Entry, type Platform, type Reach, type WayName } from './spec.ts';

export const ALL: readonly WayName[] = ['stdio', 'ssh', 'url'];
export const everywhere = (...paths: string[]): Record<Platform, readonly string[]> => ({
  linux: paths,
  darwin: paths,
  win32: paths,
});
export const perApp = (path: string): Record<Platform, readonly string[]> => ({
  linux: [`{config}/${path}`],
  darwin: [`{support}/${path}`],
  win32: [`{appdata}/${path}`],
});

export type Env = ClientSpec['env'];
export const dollar = (name: string) => `\${${name}}`;
export const dollarEnv = (name: string) => `\${env:${name}}`;

export const headers = (reach: Extract<Reach, { kind: 'url' }>, env: Env): Entry =>
  reach.token ? { headers: { Authorization: bearer(reach.token, env) } } : {};

/** The common form: `command` and `args`, or an address under some name, with some words before it. */
export function common(env: Env, { url, command = {}, http = {} }: { url: string; command?: Entry; http?: Entry }) {
  return (reach: Reach): Entry =>
    reach.kind === 'command'
      ? { ...command, command: reach.command, args: reach.args }
      : { ...http, [url]: reach.url, ...headers(reach, env) };
}
