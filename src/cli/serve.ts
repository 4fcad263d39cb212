/**
 * `deckhand serve`: the HTTP face, from start to a stop that answers what is in flight. Decides when the first token is made: only
 * when there is none, once the port is ours, and where what we print is not kept by a service manager.
 */
import type { App } from '../app.ts';
import { environment } from '../config/env.ts';
import { DEFAULT_FILE, type Loaded } from '../config/load.ts';
import { OpsError } from '../core/errors.ts';
import { serveHttp } from '../edge/http.ts';
import { FIRST_TOKEN, type Run } from './commands.ts';
import { type Launched, launched } from './launched.ts';
import type { Terminal } from './terminal.ts';
import { sameSettings, type Welcome, welcome } from './welcome.ts';

export async function run({ io, signal, load, open }: Run): Promise<number> {
  const loaded = await load();
  const app = await open('serve');
  try {
    const face = await serveHttp(app).catch((thrown: unknown) => {
      throw cannotListen(thrown, loaded.config.http);
    });
    const how = launched(environment(), io.outTty);
    say(io, app, { loaded, url: face.url, how });
    app.log.info({ url: face.url, mode: app.config.mode, toolsets: app.config.toolsets }, 'listening');
    await aborted(signal);
    app.log.info({ signal: String(signal.reason) }, 'stopping: calls under way may end');
    await face.close();
    return 0;
  } finally {
    await app.close();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener('abort', () => resolve(), { once: true });
  return promise;
}

function say(io: Terminal, app: App, { loaded, url, how }: { loaded: Loaded; url: string; how: Launched }): void {
  const count = app.tokens.list().length;
  const token: Welcome['token'] =
    count > 0 || how.kept !== null
      ? { made: null, count, why: how.kept }
      : { made: { ...FIRST_TOKEN, secret: app.tokens.add(FIRST_TOKEN).secret } };
  const facts: Welcome = {
    ...app.info,
    url,
    mode: app.config.mode,
    toolsets: app.config.toolsets,
    command: how.command,
    stdio: [how.node, how.bin, 'stdio', ...sameSettings(loaded, DEFAULT_FILE)],
    token,
  };
  io.out(
    welcome(
      facts,
      (t) => io.paint('bold', t),
      (t) => io.paint('dim', t),
    ),
  );
}

function cannotListen(thrown: unknown, { host, port }: { host: string; port: number }): unknown {
  const code = (thrown as NodeJS.ErrnoException).code;
  const told = { cause: thrown };
  if (code === 'EADDRINUSE')
    return new OpsError('conflict', `Port ${port} on ${host} is taken.`, {
      hint: `See who has it: ss -ltnp 'sport = :${port}'. Or take another: --http-port ${port === 65_535 ? 7070 : port + 1}`,
      ...told,
    });
  if (code === 'EACCES')
    return new OpsError('permission', `This user may not listen on port ${port}.`, {
      hint: 'Take one from 1024 on: --http-port 7070',
      ...told,
    });
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EINVAL')
    return new OpsError('validation', `${host} is no address of this host.`, {
      hint: 'See: ip -brief address. For this host alone: --http-host 127.0.0.1',
      ...told,
    });
  return thrown;
}
