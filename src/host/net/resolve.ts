/**
 * A name becomes addresses here and nowhere else, by the system's own resolver, which also reads every odd spelling of an address
 * (`2130706433`, `0x7f.1`, `127.1`, digits of other alphabets): what it gives back is what a connection would go to. Each probe then goes to
 * one of these, checked (insight/probe_rules.ts), and nothing is looked up again. Decides how many look-ups may hang at once.
 */
import { lookup } from 'node:dns';
import { OpsError } from '../../core/errors.ts';
import { ipText, parseIp } from '../../core/ip.ts';
import type { ProbeBounds, Resolved } from '../../core/probe.ts';

/** The system's resolver holds a thread of the four that read files, too, for as long as its servers are silent. */
const AT_ONCE = 2;
const MOST_WAITING = 32;
const MOST_ADDRESSES = 32;

const WORDS: Record<string, string> = {
  ENOTFOUND: 'there is no such name',
  EAI_AGAIN: 'the name servers did not answer',
  EAI_FAIL: 'the name servers refused',
  EAI_NODATA: 'the name has no address',
};

export type Lookup = (name: string) => Promise<{ address: string }[]>;

const system: Lookup = (name) => {
  const { promise, resolve, reject } = Promise.withResolvers<{ address: string }[]>();
  lookup(name, { all: true, verbatim: true }, (error, found) => (error ? reject(error) : resolve(found)));
  return promise;
};

export function createResolver(ask: Lookup = system): (name: string, o: ProbeBounds) => Promise<Resolved> {
  let under = 0;
  const waiting: (() => void)[] = [];
  const enter = async (signal: AbortSignal) => {
    if (under < AT_ONCE) {
      under++;
      return;
    }
    if (waiting.length >= MOST_WAITING)
      throw new OpsError('limit', 'Too many names are being looked up.', { hint: 'Try again.', retryAfterMs: 2_000 });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const turn = () => resolve();
    waiting.push(turn);
    const leave = () => {
      const at = waiting.indexOf(turn);
      // Once it has its turn the place is its own, and is given back below.
      if (at < 0) return;
      waiting.splice(at, 1);
      reject(signal.reason);
    };
    signal.addEventListener('abort', leave, { once: true });
    await promise.finally(() => signal.removeEventListener('abort', leave));
  };
  /** A look-up that hangs keeps its place until it really ends: leaving it must not let the next one in. */
  const exit = () => {
    const next = waiting.shift();
    if (next) next();
    else under--;
  };

  return async (name, o) => {
    const started = performance.now();
    const limit = AbortSignal.timeout(o.timeoutMs);
    const signal = AbortSignal.any([limit, ...(o.signal ? [o.signal] : [])]);
    const late = () =>
      new OpsError('timeout', `The name ${shown(name)} could not be resolved within ${o.timeoutMs} ms.`);
    try {
      signal.throwIfAborted();
      await enter(signal);
    } catch (thrown) {
      throw limit.aborted && !o.signal?.aborted ? late() : thrown;
    }
    const asked = ask(name).finally(exit);
    const { promise, reject } = Promise.withResolvers<never>();
    const leave = () => reject(o.signal?.aborted ? o.signal.reason : late());
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
    try {
      const found = await Promise.race([asked, promise]);
      const addresses = [...new Set(found.map(({ address }) => canonical(address)))].slice(0, MOST_ADDRESSES);
      return { addresses, ms: performance.now() - started };
    } catch (thrown) {
      if (thrown instanceof OpsError || thrown instanceof DOMException) throw thrown;
      const code = (thrown as NodeJS.ErrnoException).code ?? 'unknown';
      throw new OpsError(
        code === 'EAI_AGAIN' ? 'unavailable' : 'not_found',
        `The name ${shown(name)} could not be resolved: ${WORDS[code] ?? code}.`,
        { cause: thrown },
      );
    } finally {
      signal.removeEventListener('abort', leave);
      asked.catch(() => {});
    }
  };
}

const shown = (name: string) => JSON.stringify(name.slice(0, 100));

/** One spelling, with the zone that a link-local address needs. */
function canonical(address: string): string {
  const [bare = '', zone] = address.split('%');
  const ip = parseIp(bare);
  if (!ip) throw new OpsError('unavailable', `The resolver answered with ${shown(address)}, which is no address.`);
  return ipText(ip) + (zone === undefined ? '' : `%${zone}`);
}
