/**
 * The Valkey or Redis in which instances count together: `RateLimiterRedis` of rate-limiter-flexible over ioredis, with the ring of slots
 * of limits_window.ts as its script, so that the shared count lets through exactly what the count in memory would. What is known there
 * to be too much is refused here without asking again. Loaded only where `limits.shared.url` is set; how long it is waited for is decided
 * in limits_shared.ts.
 */
import { Redis, type RedisOptions } from 'ioredis';
import type { IRateLimiterRedisOptions, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
// @ts-expect-error The package has types for its whole; all of it would be forty stores that nobody asks for.
import limiter from 'rate-limiter-flexible/lib/RateLimiterRedis.js';
import { OpsError } from '../core/errors.ts';
import { ANSWERS_WITHIN_MS, type SharedStore } from './limits_shared.ts';
import { SLOTS } from './limits_window.ts';

/** One limiter for each number that the owner's config gives somebody. */
const MOST_LIMITS = 1_000;
const PREFIX = 'deckhand:minute';

/**
 * KEYS[1]; ARGV: points, seconds of a window, limit. A hash of slot → count, on the server's clock, because those of the instances
 * differ. Gives what was counted (limit + 1: refused, and not counted) and the milliseconds until there is more.
 */
const SCRIPT = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local width = ARGV[2] * 1000 / ${SLOTS}
local slot = math.floor(now / width)
local points, limit = tonumber(ARGV[1]), tonumber(ARGV[3])
local counts, sum, gone = {}, 0, {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local s, n = tonumber(all[i]), tonumber(all[i + 1])
  if s < slot - ${SLOTS} or s > slot then gone[#gone + 1] = all[i] else counts[s] = n; sum = sum + n end
end
if #gone > 0 then redis.call('HDEL', KEYS[1], unpack(gone)) end
local more, answer = 1, limit + 1
if sum + points > limit then
  more = sum + points - limit
else
  redis.call('HINCRBY', KEYS[1], tostring(slot), points)
  redis.call('PEXPIRE', KEYS[1], math.ceil(width * ${SLOTS + 1}))
  counts[slot] = (counts[slot] or 0) + points
  answer = sum + points
end
local freed = 0
for s = slot - ${SLOTS}, slot do
  freed = freed + (counts[s] or 0)
  if freed >= more then return { answer, math.ceil((s + ${SLOTS + 1}) * width - now) } end
end
return { answer, ARGV[2] * 1000 }
`;

export interface SharedSettings {
  url: string;
  password: string | null;
}

/** Whose answer is how far away, for `deckhand doctor`. Throws what is wrong, in words. */
export async function askShared(settings: SharedSettings): Promise<{ ms: number; server: string }> {
  const client = connection(settings, { retryStrategy: null, commandTimeout: 2_000 });
  // What the first failure says, it says to nobody else.
  let cause: Error | null = null;
  client.on('error', (thrown: Error) => {
    cause ??= thrown;
  });
  try {
    await client.connect();
    const began = performance.now();
    await client.ping();
    const ms = performance.now() - began;
    const info = await client.info('server');
    return { ms, server: /(?:valkey|redis)_version:\S+/.exec(info)?.[0].replace('_version:', ' ') ?? 'unknown' };
  } catch (thrown) {
    throw cause ?? thrown;
  } finally {
    client.disconnect();
  }
}

export function openRedis(settings: SharedSettings): SharedStore {
  const client = connection(settings, {
    retryStrategy: (times) => Math.min(2_000, 100 * times),
    commandTimeout: 4 * ANSWERS_WITHIN_MS,
  });
  // Each failed try says so to whoever waits for an answer; unheard, it would end the process.
  client.on('error', () => {});
  void client.connect().catch(() => {});
  const limiters = new Map<number, RateLimiterRedis>();
  const Limiter = limiter as new (o: IRateLimiterRedisOptions) => RateLimiterRedis;

  function limiterOf(limit: number): RateLimiterRedis {
    let found = limiters.get(limit);
    if (!found) {
      if (limiters.size >= MOST_LIMITS) limiters.clear();
      found = new Limiter({
        storeClient: client,
        keyPrefix: PREFIX,
        points: limit,
        duration: 60,
        inMemoryBlockOnConsumed: limit + 1,
        rejectIfRedisNotReady: true,
        customIncrTtlLuaScript: SCRIPT,
      });
      limiters.set(limit, found);
    }
    return found;
  }

  return {
    async take(key, limit) {
      try {
        const { remainingPoints, msBeforeNext } = await limiterOf(limit).consume(key);
        return { ok: true, left: remainingPoints, resetMs: msBeforeNext };
      } catch (thrown) {
        if (thrown instanceof Error) throw thrown;
        return { ok: false, left: 0, resetMs: (thrown as RateLimiterRes).msBeforeNext };
      }
    },
    async close() {
      client.disconnect();
    },
  };
}

type Tuning = Pick<RedisOptions, 'retryStrategy' | 'commandTimeout'>;

function connection({ url, password }: SharedSettings, tuning: Tuning): Redis {
  return new Redis({
    ...place(url),
    ...(password === null ? {} : { password }),
    ...tuning,
    lazyConnect: true,
    // What cannot be asked now is not asked later.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 2_000,
    connectionName: 'deckhand',
  });
}

function place(url: string): { path: string } | { host: string; port: number; db: number; tls?: object } {
  if (url.startsWith('unix:')) return { path: url.slice('unix:'.length) };
  const { protocol, hostname, port, pathname } = new URL(url);
  const db = Number(pathname.slice(1) || 0);
  if (!Number.isInteger(db) || db < 0)
    throw new OpsError('validation', '`limits.shared.url` names no database: a number follows its slash.', {
      hint: 'Use redis://host:port or redis://host:port/1.',
    });
  const host = hostname.replace(/^\[|\]$/g, '');
  return { host, port: Number(port || 6379), db, ...(protocol === 'rediss:' ? { tls: {} } : {}) };
}
