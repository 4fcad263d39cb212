/**
 * What wollomatic's socket-proxy does, in small: the rules of a compose file, in the same syntax (RE2), put between ^ and $ as it does,
 * held against the method and the decoded path. A method without a rule is 405, a path without one 403.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RE2JS } from 're2js';
import { parse } from 'yaml';
import type { Profile } from '../../scripts/socket_proxy.ts';

export const RECIPES = ['socket-proxy.yaml', 'socket-proxy-host.yaml'] as const;
const folder = join(import.meta.dirname, '../../deploy/docker');

export const recipe = (file: string) =>
  parse(readFileSync(join(folder, file), 'utf8'), { merge: true }) as {
    services: Record<
      string,
      { command: string[]; image: string; ports?: string[]; networks?: unknown; network_mode?: string }
    >;
    networks?: Record<string, { internal?: boolean }>;
  };

export type Rules = Map<string, RE2JS[]>;

export function rulesIn(file: string, profile: Profile): Rules {
  const rules: Rules = new Map();
  for (const flag of recipe(file).services[`engine-${profile}`]?.command ?? []) {
    const [, method, path] = /^-allow([A-Z]+)=(.*)$/.exec(flag) ?? [];
    if (method === undefined || path === undefined) continue;
    rules.set(method, [...(rules.get(method) ?? []), RE2JS.compile(`^${path}$`)]);
  }
  return rules;
}

export function verdict(rules: Rules, method: string, path: string): 200 | 403 | 405 {
  const own = rules.get(method);
  if (!own) return 405;
  return own.some((rule) => rule.matcher(path).find()) ? 200 : 403;
}

export interface Between extends AsyncDisposable {
  socket: string;
  passed: string[];
  refused: string[];
}

export async function socketProxy(rules: Rules, engine: string): Promise<Between> {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-proxy-'));
  const socket = join(dir, 'proxy.sock');
  const proxy = { socket, passed: [] as string[], refused: [] as string[] };
  const server = createServer((req, res) => {
    const { method = '', url = '' } = req;
    const said = `${method} ${url}`;
    let path: string;
    try {
      path = decodeURIComponent(url.split('?')[0] ?? '');
    } catch {
      return void res.writeHead(400).end('Bad Request\n');
    }
    const status = verdict(rules, method, path);
    if (status !== 200) {
      proxy.refused.push(said);
      res.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
      return void res.end(status === 403 ? 'Forbidden\n' : 'Method Not Allowed\n');
    }
    proxy.passed.push(said);
    const on = request({ socketPath: engine, method, path: url, headers: req.headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(res);
      answer.on('error', () => res.destroy());
    });
    on.on('error', () => (res.headersSent ? res.destroy() : res.writeHead(502).end('Bad Gateway\n')));
    res.on('close', () => on.destroy());
    req.pipe(on);
  });
  await new Promise<void>((done) => server.listen(socket, done));
  return {
    ...proxy,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** What a thief of the way to the engine would ask for, none of it in Deckhand's table. */
export const FORBIDDEN: [method: string, path: string, body?: object][] = [
  ['POST', '/containers/web/exec', { Cmd: ['id'] }],
  ['POST', '/exec/0123456789ab/start', {}],
  ['GET', '/containers/web/archive?path=/etc/shadow'],
  ['PUT', '/containers/web/archive?path=/'],
  ['HEAD', '/containers/web/archive?path=/'],
  ['GET', '/containers/web/export'],
  ['POST', '/containers/web/attach?stdin=1&stream=1'],
  ['GET', '/containers/web/attach/ws?stdin=1'],
  ['GET', '/containers/web/top'],
  ['GET', '/containers/web/changes'],
  ['POST', '/containers/web/wait'],
  ['POST', '/containers/prune'],
  ['POST', '/build'],
  ['POST', '/commit?container=web'],
  ['GET', '/images/nginx/get'],
  ['GET', '/images/get?names=nginx'],
  ['POST', '/images/load'],
  ['POST', '/images/nginx/push'],
  ['POST', '/images/nginx/tag?repo=x'],
  ['GET', '/secrets'],
  ['POST', '/secrets/create', {}],
  ['GET', '/configs'],
  ['GET', '/swarm/unlockkey'],
  ['POST', '/swarm/init', {}],
  ['GET', '/services'],
  ['GET', '/plugins'],
  ['POST', '/plugins/pull?remote=x'],
  ['GET', '/volumes'],
  ['POST', '/volumes/create', {}],
  ['POST', '/volumes/prune'],
  ['DELETE', '/volumes/data'],
  ['POST', '/networks/create', { Name: 'x' }],
  ['DELETE', '/networks/front'],
  ['POST', '/networks/front/disconnect', {}],
  ['POST', '/session'],
  ['GET', '/containers/../secrets'],
  ['GET', '/containers/web/archive?path=/etc/shadow&/json'],
  ['GET', '/containers/x%2f..%2f..%2fsecrets%3f/json'],
  ['GET', '/images/../secrets?/json'],
  ['GET', '/images/x/../../secrets'],
  ['GET', '//secrets'],
  ['GET', '/v1.45/v1.45/info'],
  ['GET', '/version/../secrets'],
  ['GET', '/containers/web/json/'],
  ['GET', '/containers/web/json%0a'],
  ['GET', '/containers/web/logs/../archive?path=/'],
];

/** In the table, and each a way to root for who has it alone: only the last profile lets them by. */
export const AS_GOOD_AS_ROOT: [method: string, path: string, body?: object][] = [
  [
    'POST',
    '/containers/create?name=evil',
    { Image: 'local/busybox:1', Cmd: ['true'], HostConfig: { Privileged: true } },
  ],
  ['POST', '/containers/web/update', { Memory: 1 }],
  ['DELETE', '/containers/web?force=true'],
  ['POST', '/containers/web/rename?name=other'],
  ['POST', '/images/create?fromImage=evil&tag=1'],
  ['DELETE', '/images/nginx'],
];

export async function ask(socket: string, method: string, path: string, body?: object) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const sent = body === undefined ? '' : JSON.stringify(body);
    const headers = sent ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(sent) } : {};
    const req = request({ socketPath: socket, method, path, headers }, (res) => {
      let text = '';
      res.on('data', (chunk) => {
        text += chunk;
        if (text.length > 10_000) res.destroy();
      });
      res.on('close', () => resolve({ status: res.statusCode ?? 0, text }));
    });
    req.on('error', reject);
    req.end(sent);
  });
}
