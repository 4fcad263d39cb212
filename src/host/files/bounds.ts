/**
 * The bounds of one caller, put around the rules of a request: no link is followed, what its denies fit is treated like the deny list, and
 * what is reached must be allowed. Decides that, for a deny, the case of a–z makes no difference, as some file systems make none.
 */
import type { FileBounds } from '../../core/files.ts';
import { like } from '../../core/like.ts';
import { pathLike } from '../../core/path_like.ts';
import type { DeniedName } from './deny.ts';
import type { Ground } from './walk.ts';

/** One character for each byte, as names are compared here. */
const latinOf = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
const latin = (pattern: string) => latinOf(Buffer.from(pattern));
const lower = (text: string) => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

export function boundedGround(ground: Ground, bounds: FileBounds): Ground {
  const deny = bounds.deny.map((pattern) => lower(latin(pattern)));
  const allow = bounds.allow.map((list) => list.map(latin));
  const pathOf = (components: readonly Uint8Array[]) => `/${components.map(latinOf).join('/')}`;
  // Of one more name below folders that were not denied: those above it need not be looked at again.
  const named = (above: readonly string[], name: string) => {
    const path = lower(`/${[...above, name].join('/')}`);
    return deny.some((pattern) => like(pattern, path));
  };
  const all = (components: readonly Uint8Array[]) => {
    const path = lower(pathOf(components));
    return deny.some((pattern) => pathLike(pattern, path)) || ground.denied(components);
  };
  const denied: DeniedName = Object.assign(all, {
    entry: (above: readonly string[], name: string) => ground.denied.entry(above, name) || named(above, name),
  });
  return {
    ...ground,
    root: { ...ground.root, symlinks: 'refuse' },
    denied,
    allowed: (components) => {
      const path = pathOf(components);
      return allow.every((list) => list.some((pattern) => pathLike(pattern, path)));
    },
  };
}
