/**
 * One engine: the API version agreed with it, whether it lives, and every question to it. A dead or hung one costs a bounded wait
 * once; then everybody is told at once, until a single probe finds it well again. What is asked is the neighbours' business.
 */
import Docker from 'dockerode';
import type { EngineStatus } from '../../core/docker.ts';
import { OpsError } from '../../core/errors.ts';
import type { Bounded } from '../../core/host.ts';
import { breakerFor } from './breaker.ts';
import { type Found, shownEndpoint } from './endpoint.ts';
import { opsErrorOf, type Trouble, troubleOf } from './failures.ts';
import { EngineError, LostError, type Transport, transportTo, type Way } from './transport.ts';

export interface EngineClock {
  /** Wall clock. */
  now(): number;
  elapsed(): number;
  after(ms: number, fire: () => void): () => void;
}

export interface Facts {
  version: string;
  /** The one we speak. */
  apiVersion: string;
  kind: 'docker' | 'podman';
}

export interface Engine {
  readonly found: Found;
  /** Runs against dockerode, bound to this caller's signal. Throws OpsErrors. */
  ask<T>(run: (docker: Docker, facts: Facts) => Promise<T>, o?: Bounded & { extraMs?: number }): Promise<T>;
  status(o: Bounded): Promise<EngineStatus>;
  close(): void;
}

/** What the records here were written against and tested with: newer engines serve it too, older ones say less. */
const SPOKEN = '1.45';
const OLDEST = '1.40';

/** A silent engine is pinged after the first, and is dead at the second. */
const DOUBT_MS = 1_500;
const DEAD_MS = 3_000;
const DOUBT_AGAIN_MS = 5_000;
const REST_MS = 5_000;
/** A failure that cost less may be tried again at once: an engine that restarts is back the sooner. */
const CHEAP_MS = 1_000;

export function engineAt(found: Found, way: () => Way, clock: EngineClock): Engine {
  const breaker = breakerFor({ elapsed: clock.elapsed, restMs: REST_MS });
  let transport: Transport | null = null;
  let facts: Facts | null = null;
  let last: Trouble | null = null;
  let pinging: Promise<boolean> | null = null;
  const never = new AbortController().signal;

  // Made late: certificates may be put right while this process runs.
  const opened = () => {
    transport ??= transportTo(way());
    return transport;
  };

  const dockerFor = (call: { signal: AbortSignal; version: string | null; extraMs?: number }, watched = true) =>
    new Docker({
      modem: opened().modem({ ...call, after: clock.after, ...(watched ? { watch } : {}) }),
    });

  /** One for all who doubt at the same time. */
  function lives(): Promise<boolean> {
    pinging ??= dockerFor({ signal: never, version: null }, false)
      .version()
      .then(
        () => true,
        () => false,
      )
      .finally(() => {
        pinging = null;
      });
    return pinging;
  }

  function watch(giveUp: (error: LostError) => void): () => void {
    let over = false;
    let cancel = () => {};
    const doubt = () => {
      let answered = false;
      cancel = clock.after(DEAD_MS - DOUBT_MS, () => {
        if (!over && !answered) giveUp(new LostError('ETIMEDOUT', `nothing came within ${DEAD_MS} ms`));
      });
      void lives().then((alive) => {
        answered = alive;
        if (over || !alive) return;
        cancel();
        cancel = clock.after(DOUBT_AGAIN_MS, doubt);
      });
    };
    cancel = clock.after(DOUBT_MS, doubt);
    return () => {
      over = true;
      cancel();
    };
  }

  async function known(signal: AbortSignal): Promise<Facts> {
    facts ??= factsOf(await dockerFor({ signal, version: null }, false).version());
    return facts;
  }

  async function ask<T>(
    run: (docker: Docker, facts: Facts) => Promise<T>,
    o: Bounded & { extraMs?: number } = {},
  ): Promise<T> {
    o.signal?.throwIfAborted();
    const restMs = breaker.refuses();
    if (restMs !== null)
      throw new OpsError(
        'unavailable',
        last?.why ?? `The engine at ${shownEndpoint(found.endpoint)} does not answer.`,
        {
          ...(last ? { hint: last.hint } : {}),
          retryAfterMs: Math.ceil(restMs),
        },
      );
    const began = clock.elapsed();
    const signal = o.signal ?? never;
    try {
      const answer = await agreed(signal, (f) =>
        run(dockerFor({ signal, version: f.apiVersion, ...(o.extraMs ? { extraMs: o.extraMs } : {}) }), f),
      );
      breaker.good();
      last = null;
      return answer;
    } catch (thrown) {
      if (thrown instanceof LostError) {
        facts = null;
        last = troubleOf(thrown, found.endpoint);
        if (clock.elapsed() - began >= CHEAP_MS) breaker.bad();
        else breaker.undecided();
      } else if (thrown instanceof EngineError) breaker.good();
      else breaker.undecided();
      throw opsErrorOf(thrown, found.endpoint);
    }
  }

  /** Once more when the engine has been replaced by another, which does not speak what was agreed with the first. */
  async function agreed<T>(signal: AbortSignal, run: (facts: Facts) => Promise<T>): Promise<T> {
    const before = facts;
    try {
      return await run(await known(signal));
    } catch (thrown) {
      const stale = thrown instanceof EngineError && thrown.status === 400 && /client version/.test(thrown.message);
      if (!stale || before === null) throw thrown;
      facts = null;
      return run(await known(signal));
    }
  }

  return {
    found,
    ask,
    async status(o) {
      const head = { name: found.name, endpoint: shownEndpoint(found.endpoint), foundBy: found.foundBy };
      try {
        // Asked anew: a version that was agreed an hour ago does not say that somebody answers now.
        const f = await ask(async (docker) => {
          facts = factsOf(await docker.version());
          return facts;
        }, o);
        return { ...head, kind: f.kind, answers: true, trouble: null, version: f.version, apiVersion: f.apiVersion };
      } catch (thrown) {
        o.signal?.throwIfAborted();
        const error = thrown instanceof OpsError ? thrown : null;
        return {
          ...head,
          kind: null,
          answers: false,
          trouble: {
            why: error?.message ?? 'It failed in an unknown way.',
            hint: error?.details.hint ?? 'Look at the server’s log.',
          },
          version: null,
          apiVersion: null,
        };
      }
    },
    close: () => transport?.close(),
  };
}

/** -1, 0 or 1, of `1.41`. */
export function compareVersions(a: string, b: string): number {
  const [aMajor = 0, aMinor = 0] = a.split('.').map(Number);
  const [bMajor = 0, bMinor = 0] = b.split('.').map(Number);
  return Math.sign(aMajor - bMajor || aMinor - bMinor);
}

function factsOf(answer: unknown): Facts {
  const said = (answer ?? {}) as {
    Version?: unknown;
    ApiVersion?: unknown;
    MinAPIVersion?: unknown;
    Components?: unknown;
  };
  const api = (value: unknown) => (typeof value === 'string' && /^\d{1,3}\.\d{1,3}$/.test(value) ? value : null);
  const newest = api(said.ApiVersion);
  if (newest === null)
    throw new OpsError('unavailable', 'What answers at the engine’s address is no container engine.', {
      hint: 'Its answer to GET /version names no API version: check docker.endpoint.',
    });
  if (compareVersions(newest, OLDEST) < 0)
    throw new OpsError('unavailable', `This engine is too old: it speaks API ${newest}, and ${OLDEST} is the least.`, {
      hint: 'Docker 19.03 and newer are supported.',
    });
  const least = api(said.MinAPIVersion) ?? OLDEST;
  const common = compareVersions(newest, SPOKEN) < 0 ? newest : SPOKEN;
  const components = Array.isArray(said.Components) ? (said.Components as { Name?: unknown }[]) : [];
  return {
    version: typeof said.Version === 'string' ? said.Version.slice(0, 64) : '',
    apiVersion: compareVersions(least, common) > 0 ? least : common,
    kind: components.some((c) => /podman/i.test(String(c?.Name))) ? 'podman' : 'docker',
  };
}
