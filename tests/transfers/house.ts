/** The house with the tools that move whole files, its HTTP face on a port, a folder to write in, and two tokens. */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type App, createApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Call, Outcome } from '../../src/core/call.ts';
import { createHttp, type HttpFace } from '../../src/edge/http.ts';
import { byToken } from '../../src/policy/authenticate.ts';
import { fileDownload } from '../../src/tools/file_download.ts';
import { fileUpload } from '../../src/tools/file_upload.ts';
import { resultQuery } from '../../src/tools/result_query.ts';
import { undo } from '../../src/tools/undo.ts';
import { callOf, quiet } from '../fakes/policy.ts';

export interface House {
  app: App;
  face: HttpFace;
  /** Of the root. */
  dir: string;
  url: string;
  /** Secrets of two operators. */
  one: string;
  two: string;
  call(tool: string, args: object, over?: Partial<Call> & { secret?: string }): Promise<Outcome>;
  /** Records of that event. */
  audit(event?: string): Record<string, unknown>[];
  close(): Promise<void>;
}

export async function house(
  o: { files?: string; mode?: string; idleMs?: number; at?: string; env?: Record<string, string> } = {},
): Promise<House> {
  const home = realpathSync(mkdtempSync(join(o.at ?? tmpdir(), 'deckhand-transfers-')));
  const dir = join(home, 'root');
  mkdirSync(dir);
  mkdirSync(join(home, 'out'));
  writeFileSync(
    join(home, 'c.yaml'),
    `files:\n  roots:\n    - {path: ${dir}, access: write}\n${o.files ? `  transfers: {${o.files}}\n` : ''}`,
    { mode: 0o600 },
  );
  const loaded = await loadConfig({
    env: {
      HOME: home,
      DECKHAND_CONFIG: join(home, 'c.yaml'),
      DECKHAND_STATE_DIR: join(home, 'state'),
      DECKHAND_MODE: o.mode ?? 'full',
      DECKHAND_TOOLSETS: 'all',
      DECKHAND_AUDIT_HEADS: 'off',
      DECKHAND_HTTP_PORT: '0',
      DECKHAND_LIMITS_CHANGES_PER_HOUR: '10000',
      DECKHAND_LIMITS_CALLS_PER_MINUTE: '100000',
      DECKHAND_HTTP_REQUESTS_PER_MINUTE_PER_ADDRESS: '100000',
      ...o.env,
    },
  });
  const catalog = { tools: [fileDownload, fileUpload, resultQuery, undo], resources: [], prompts: [] };
  // A server's app would ask this machine at once for packages and hardware, with programs that no test here looks at.
  const app = await createApp({ loaded, log: quiet, role: 'stdio', version: 'test', catalog });
  const { http } = app.config;
  const face = createHttp({
    door: app.door,
    info: app.info,
    log: quiet,
    http: { ...http, allowedHosts: [...http.allowedHosts], allowedOrigins: [...http.allowedOrigins] },
    live: () => true,
    ready: app.ready,
    transfers: app.transfers,
    authenticate: byToken(app.principals.bearer),
    drainMs: 2_000,
    ...(o.idleMs === undefined ? {} : { idleMs: o.idleMs }),
  });
  const { url } = await face.listen();
  const one = app.tokens.add({ name: 'one', role: 'operator' }).secret;
  const two = app.tokens.add({ name: 'two', role: 'operator' }).secret;
  return {
    app,
    face,
    dir,
    url,
    one,
    two,
    call(tool, args, { secret = one, ...over } = {}) {
      const principal = app.principals.bearer(secret) ?? undefined;
      return app.door.run({ ...callOf(tool, args), face: 'mcp-http', principal, ...over });
    },
    audit(event) {
      const folder = join(home, 'state', 'audit');
      return readdirSync(folder)
        .filter((name) => /^\d{8}T/.test(name))
        .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n').filter(Boolean))
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter((r) => event === undefined || r.event === event);
    },
    async close() {
      await face.close();
      await app.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

export const dataOf = (out: Outcome): Record<string, unknown> => {
  if (out.status === 'failed') throw out.error;
  return out.data;
};
export const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });
