/**
 * The only reader of process.env. Settings come from the DECKHAND_* names (load.ts); the few other names that tell where and how
 * this process was started are handed out here, so that nothing else looks at the environment.
 */

export type Env = Readonly<Record<string, string | undefined>>;

export const environment = (): Env => process.env;

export interface Surroundings {
  /** Null: not set, or not an absolute path, which the XDG specification says to ignore. */
  home: string | null;
  stateHome: string | null;
  /** Set when this process was started over SSH. */
  sshConnection: string | null;
  /** The person behind `sudo`. */
  sudoUid: number | null;
  noColor: boolean;
  term: string | null;
  /** systemd: readiness, watchdog period, passed sockets (only when they are for this process), credentials. */
  notifySocket: string | null;
  watchdogMs: number | null;
  listenFds: number;
  credentialsDirectory: string | null;
}

const absolute = (value: string | undefined) => (value?.startsWith('/') ? value : null);
const count = (value: string | undefined) => (/^\d{1,15}$/.test(value ?? '') ? Number(value) : null);
const forUs = (pid: string | undefined) => pid === undefined || pid === String(process.pid);

export function surroundings(env: Env = environment()): Surroundings {
  const watchdogUs = forUs(env.WATCHDOG_PID) ? count(env.WATCHDOG_USEC) : null;
  return {
    home: absolute(env.HOME),
    stateHome: absolute(env.XDG_STATE_HOME),
    sshConnection: env.SSH_CONNECTION || null,
    sudoUid: count(env.SUDO_UID),
    noColor: Boolean(env.NO_COLOR) || env.TERM === 'dumb',
    term: env.TERM || null,
    notifySocket: env.NOTIFY_SOCKET || null,
    watchdogMs: watchdogUs ? Math.floor(watchdogUs / 1000) : null,
    listenFds: env.LISTEN_PID !== undefined && forUs(env.LISTEN_PID) ? (count(env.LISTEN_FDS) ?? 0) : 0,
    credentialsDirectory: absolute(env.CREDENTIALS_DIRECTORY),
  };
}

/** Where programs of a person keep their settings, on each system that a client runs on. Null: not set, or no absolute path. */
export interface Homes {
  home: string | null;
  /** XDG. */
  configHome: string | null;
  stateHome: string | null;
  /** Windows. */
  appData: string | null;
  localAppData: string | null;
  /** Set by whoever moved that client's own folder. */
  claudeConfigDir: string | null;
  codexHome: string | null;
}

export function homes(windows: boolean, env: Env = environment()): Homes {
  const path = (value: string | undefined) =>
    windows ? (/^(?:[A-Za-z]:[\\/]|\\\\)/.test(value ?? '') ? (value as string) : null) : absolute(value);
  return {
    home: path(windows ? env.USERPROFILE : env.HOME),
    configHome: path(env.XDG_CONFIG_HOME),
    stateHome: path(env.XDG_STATE_HOME),
    appData: path(env.APPDATA),
    localAppData: path(env.LOCALAPPDATA),
    claudeConfigDir: path(env.CLAUDE_CONFIG_DIR),
    codexHome: path(env.CODEX_HOME),
  };
}

/** A variable whose name a person gave on the command line, for the secret in it. */
export const variable = (name: string, env: Env = environment()): string | null => env[name] || null;

const LISTEN = ['LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES'] as const;
/** systemd's first one; the others follow it. */
const FIRST_FD = 3;
const MOST_FDS = 64;

/**
 * Sockets that systemd opened for this process, with their names. Told once: the names are taken out of the environment, so that nothing
 * that is started from here takes them for its own.
 */
export function passedSockets(env: Record<string, string | undefined> = process.env): { fd: number; name: string }[] {
  const count = Math.min(surroundings(env).listenFds, MOST_FDS);
  const names = env.LISTEN_FDNAMES?.split(':') ?? [];
  for (const name of LISTEN) delete env[name];
  return Array.from({ length: count }, (_, i) => ({ fd: FIRST_FD + i, name: names[i] ?? '' }));
}
