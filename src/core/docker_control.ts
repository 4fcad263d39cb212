/**
 * What changes of containers need besides an engine: whom the owner lets us touch, who we are ourselves, and whether somebody answers
 * behind a port. Types only; what follows from it is insight/container_guard.ts's.
 */
import type { Bounded } from './host.ts';

export interface DockerRules {
  /** Names with `*`: these may be changed in every way. */
  readonly allow: readonly string[];
  /** Names with `*`: these never, whatever their labels say. */
  readonly protect: readonly string[];
  /** Folders below which a stack may come to mount more than its containers have already. */
  readonly mountRoots: readonly string[];
}

/** As far as this process can tell from within. */
export interface Self {
  /** Ids of containers that this process may run in, or beginnings of them (12 digits at least). */
  ids: readonly string[];
  hostname: string;
  inContainer: boolean;
}

/**
 * `open`: it took the connection and kept it. `closed`: it was taken and dropped at once, as an engine's own proxy does when nobody
 * listens inside. `refused`, `silent`: nobody took it.
 */
export type Knock = 'open' | 'closed' | 'refused' | 'silent';

export interface ControlHost {
  rules: DockerRules;
  self(): Self;
  /** One TCP connection; nothing is sent. */
  knock(at: { host: string; port: number }, o?: Bounded): Promise<Knock>;
}
