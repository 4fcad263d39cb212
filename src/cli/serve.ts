/**
 * `deckhand serve`: the HTTP face, from start to a stop that answers what is in flight. Decides when the first token is made: only
 * when there is none, once the port is ours, and where what we print is not kept by a service manager.
 */
import { join } from 'node:path';
import { type App, superviseBy } from '../app.ts';
import { environment, passedSockets, surroundings } from '../config/env.ts';
import { DEFAULT_FILE, type Loaded } from '../config/load.ts';
import { addressToListen, bindingRemarks, pairFiles } from '../edge/binding.ts';
import { CONTROL_SOCKET, type Control, openControl } from '../edge/control.ts';
import { createHttp } from '../edge/http.ts';
import type { Shared } from '../edge/limits_shared.ts';
import { tailnetSocket } from '../edge/tailnet_socket.ts';
import type { Tls } from '../edge/tls.ts';
import { FIRST_TOKEN, type Run } from './commands.ts';
import { giveBackWhenQuiet } from './given_back.ts';
import { type Launched, launched } from './launched.ts';
import type { Terminal } from './terminal.ts';
import { sameSettings, type Welcome, welcome } from './welcome.ts';

export async function run({ io, signal, load, open }: Run): Promise<number> {
  const loaded = await load();
  // Before anything is opened: a start that is refused leaves nothing behind.
  const at = await placesToListen(loaded);
  const app = await open('serve');
  const { config, door, info, log, principals, live, ready } = app;
  const { allowedHosts, allowedOrigins } = config.http;
  const http = { ...config.http, ...at.http, allowedHosts: [...allowedHosts], allowedOrigins: [...allowedOrigins] };
  const { transfers, measures, links } = app;
  const { authenticate, resource, tier, tailnet } = await app.auth();
  const tls = await tlsOf(app);
  const shared = config.limits.shared.url === null ? null : await sharedOf(app);
  for (const remark of bindingRemarks(config.http)) log.warn({}, remark);
  const face = createHttp({
    door,
    info,
    log,
    http,
    live,
    ready,
    transfers,
    measures,
    links,
    authenticate,
    resource,
    tls,
    tier,
    ...(shared ? { shared } : {}),
  });
  let control: Control | null = null;
  const hangup = () => void tls?.reload(true);
  process.on('SIGHUP', hangup);
  const { notifySocket: socket, watchdogMs } = surroundings();
  const supervisor = socket === null ? null : await superviseBy({ socket, watchdogMs, live, log });
  let goodbye: Promise<void> | undefined;
  try {
    const { url } = await face.listen();
    if (tailnet) {
      const { socket: path, look } = tailnet;
      await face.beside('tailnet', tailnetSocket({ path, fd: at.tailnetFd, lease: () => app.lease('tailnet') }));
      log.info({ path }, 'listening for `tailscale serve`');
      void look();
    }
    control = await openControl({
      path: join(app.state.dir, CONTROL_SOCKET),
      deciding: app.deciding,
      approver: principals.cli().id,
      lease: () => app.lease('control'),
      log,
    });
    greet(io, app, { loaded, url, how: launched(environment(), io.outTty) });
    log.info({ url, mode: config.mode, toolsets: config.toolsets }, 'listening');
    giveBackWhenQuiet();
    await supervisor?.ready(`Listening on ${url}, mode ${config.mode}`);
    await aborted(signal);
    log.info({ signal: String(signal.reason) }, 'stopping; what is under way may end');
    // Not waited for here: whoever calls need not wait for it.
    goodbye = supervisor?.stopping('Stopping: what is under way may end');
  } finally {
    process.off('SIGHUP', hangup);
    await control?.close();
    await face.close();
    await shared?.close();
    await app.close();
    await goodbye;
  }
  // Asked to stop, it stopped in good order.
  return 0;
}

/** Where to listen: as the settings say, or where systemd does for us already. */
async function placesToListen({ config, origins }: Loaded) {
  const passed = passedSockets();
  if (passed.length === 0) return { http: { address: await addressToListen(config.http) }, tailnetFd: undefined };
  const { inheritedAddress, inheritedOf, inheritedTailnet } = await import('../edge/activation.ts');
  const own = inheritedOf(passed);
  const chosen = (path: string) => (origins.get(path)?.from ?? 'default') !== 'default';
  return {
    http: own.http
      ? await inheritedAddress(own.http, config.http, { host: chosen('http.host'), port: chosen('http.port') })
      : { address: await addressToListen(config.http) },
    tailnetFd: own.tailnet ? inheritedTailnet(own.tailnet, config.tailnet.socket).fd : undefined,
  };
}

async function tlsOf(app: App): Promise<Tls | null> {
  try {
    const files = pairFiles(app.config.http.tls);
    return files && (await (await import('../edge/tls.ts')).openTls({ files, log: app.log }));
  } catch (thrown) {
    await app.close();
    throw thrown;
  }
}

async function sharedOf(app: App): Promise<Shared | null> {
  try {
    return await (await import('../wiring_limits.ts')).openSharedLimits(app.config.limits.shared, app.log);
  } catch (thrown) {
    await app.close();
    throw thrown;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener('abort', () => resolve(), { once: true });
  return promise;
}

function greet(io: Terminal, app: App, { loaded, url, how }: { loaded: Loaded; url: string; how: Launched }): void {
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
    stdio: [...how.words, 'stdio', ...sameSettings(loaded, DEFAULT_FILE)],
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
