/**
 * What one call may use of the host, from the lists that bound its principal: of the roles that let it through one must allow a thing,
 * every fitting entry must, and no deny may fit. Decides which kinds are bounded at all; bounded.ts puts it around the host.
 */
import type { TargetKind } from '../core/tool.ts';
import type { Bounds } from './bounded.ts';
import { type Grant, type Held, type List, names, type Source, sourcesOf } from './grants.ts';
import { type Item, judgedOf } from './items.ts';

const BOUNDED: readonly TargetKind[] = ['container', 'image', 'unit', 'path', 'address'];

/** `through`: the grants that let the call through. */
export function boundsOf(held: Held, through: readonly Grant[]): Bounds | null {
  const kinds = new Set(BOUNDED.filter((kind) => names(held, kind)));
  if (kinds.size === 0) return null;
  const denied = (kind: TargetKind): Item[] => sourcesOf(held).flatMap((s) => s.deny.get(kind) ?? []);
  const allowed = (kind: TargetKind): (readonly Item[])[] => [
    ...held.entries.flatMap((e) => own(e.allow, kind)),
    ...together(through, kind),
  ];
  const files = { deny: patterns(denied('path')), allow: allowed('path').map(patterns) };
  const [no, yes] = [denied('address'), allowed('address')];
  return {
    kinds,
    files,
    key: JSON.stringify([[...kinds], files, texts(no), yes.map(texts)]),
    reach(host, addresses) {
      const name = judgedOf({ kind: 'address', name: host });
      if (no.some((item) => item.target?.(name, 'deny'))) return false;
      if (!yes.every((list) => list.some((item) => item.target?.(name, 'allow')))) return false;
      const there = addresses.map((address) => judgedOf({ kind: 'address', name: address }));
      return !there.some((is) => no.some((item) => item.target?.(is, 'deny')));
    },
  };
}

const own = (list: List, kind: TargetKind): (readonly Item[])[] => {
  const items = list.get(kind);
  return items ? [items] : [];
};

/** What any of them allows; one that names nothing of the kind allows all of it. */
function together(through: readonly Source[], kind: TargetKind): (readonly Item[])[] {
  const lists = through.map((grant) => grant.allow.get(kind));
  return lists.every((list) => list !== undefined) ? [lists.flat()] : [];
}

const patterns = (items: readonly Item[]): string[] => items.map((item) => item.pattern);
const texts = (items: readonly Item[]): string[] => items.map((item) => item.written);
