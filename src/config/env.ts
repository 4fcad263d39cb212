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
