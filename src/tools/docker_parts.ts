/**
 * What the tools of container engines share: how a container or an engine is named in arguments, samples a second apart, and values
 * that are not shown. Decides which environment variables and labels are harmless; everything else in them is taken out here, before
 * the door's own redaction, because only here it is known what they are.
 */
import { setTimeout as pause } from 'node:timers/promises';
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import type { ContainerSample, ToEngine } from '../core/docker.ts';
import { CONTAINER_REF } from '../core/docker_refs.ts';
import { namingOf } from '../core/redact_naming.ts';
import { once } from '../core/schema.ts';
import type { Target } from '../core/tool.ts';
import { type Use, useBetween } from '../insight/containers.ts';

export const EngineInput = once(() =>
  z.string().min(1).max(64).optional().describe('Of docker_system; else the first.'),
);
export const ContainerInput = once(() => z.string().regex(CONTAINER_REF).describe('Name or id.'));

/** By its name, as rules and locks have it; its engine stands beside it where the call names one. */
export const containerTarget = (i: { container: string; engine?: string | undefined }): Target => ({
  kind: 'container',
  name: i.container,
  ...(i.engine === undefined ? {} : { engine: i.engine }),
});

export const STATES = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'] as const;
export const HEALTHS = ['starting', 'healthy', 'unhealthy'] as const;

export const toEngine = (engine: string | undefined, ctx: Pick<ToolContext, 'signal'>): ToEngine => ({
  signal: ctx.signal,
  ...(engine === undefined ? {} : { engine }),
});

export const shortId = (id: string): string => id.replace(/^sha256:/, '').slice(0, 12);

/** Rates over less are mostly noise; a caller waits for it once, and not when the last look is recent. */
const WINDOW_MS = 1_000;
const FRESH_MS = 15_000;
/** The last round of samples of an engine: a second question within moments has its earlier reading there. */
const lastRound = new WeakMap<object, Map<string, Map<string, ContainerSample>>>();

/** Two samples of each, about a second apart; what does not run is not in the map. */
export async function usesOf(
  ids: readonly string[],
  machineBytes: number | null,
  ctx: ToolContext,
  to: ToEngine,
): Promise<Map<string, Use>> {
  const { docker } = ctx.host;
  if (ids.length === 0) return new Map();
  const key = to.engine ?? '';
  const rounds = lastRound.get(docker) ?? new Map<string, Map<string, ContainerSample>>();
  lastRound.set(docker, rounds);
  const over = new AbortController();
  const gap = pause(WINDOW_MS, undefined, { signal: AbortSignal.any([ctx.signal, over.signal]) }).catch(() =>
    ctx.signal.throwIfAborted(),
  );
  // Awaited below unless something else fails first: that must not leave a rejection without a listener.
  gap.catch(() => {});
  try {
    const first = await docker.containers.samples(ids, to);
    const earlier = rounds.get(key);
    const usable = (s: ContainerSample) => {
      const before = earlier?.get(s.id);
      const age = before ? s.atMs - before.atMs : 0;
      return age >= WINDOW_MS * 0.9 && age <= FRESH_MS;
    };
    const kept = [...first.values()].every(usable);
    let [before, after] = [earlier ?? first, first];
    if (!kept) {
      await gap;
      [before, after] = [first, await docker.containers.samples(ids, to)];
    }
    rounds.set(key, after);
    return new Map([...after].map(([id, s]) => [id, useBetween(before.get(id) ?? null, s, machineBytes)]));
  } finally {
    over.abort();
  }
}

/** Of foreign text that stands beside a mark of ours: it must not be able to forge one. */
export const tame = (text: string): string => text.replaceAll('⟦', '[').replaceAll('⟧', ']');

const HARMLESS =
  /^(?:TZ|LANG|LANGUAGE|LC_[A-Z]+|PATH|HOME|SHELL|TERM|PUID|PGID|UID|GID|UMASK|PORT|NODE_ENV|DEBIAN_FRONTEND|LOG_LEVEL|PYTHONUNBUFFERED|PYTHONDONTWRITEBYTECODE|JAVA_HOME|GOPATH|[A-Z0-9_]{1,40}_VERSION)$/;

/** `NAME=value` of an environment: the value only where the name is one that nobody puts a secret behind. */
export function shownVariable(entry: string): string {
  const at = entry.indexOf('=');
  if (at < 0) return tame(entry);
  const name = entry.slice(0, at);
  return HARMLESS.test(name) ? tame(entry) : `${tame(name)}=⟦redacted:env⟧`;
}

/** `name=value` of a label: in doubt without its value. */
export function shownLabel(name: string, value: string): string {
  const secret = namingOf(name) !== null || /auth\.users|basicauth|digestauth|htpasswd/i.test(name);
  return secret && value !== '' ? `${tame(name)}=⟦redacted:label⟧` : tame(`${name}=${value}`);
}
