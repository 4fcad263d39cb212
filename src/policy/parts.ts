/**
 * Toolsets whose part of the host is missing (no engine, no systemd …) are left out: a model is not offered what cannot work. Decides
 * how often is looked, so that a toolset comes back with its part, and how it is said. What a part is, and when it is missing, the host says.
 */
import type { Blind } from '../core/host.ts';
import type { Toolset } from '../core/scopes.ts';

export interface Part {
  toolset: Toolset;
  /** Of its tools only this one, which can do nothing without the part. */
  tool?: string;
  /** As in "blind: Docker and its containers". */
  what: string;
  /** Looked at in the middle of a call: some microseconds, and never a question to somebody. Null: it is there. */
  missing(): { why: string; fix: string } | null;
}

export interface Parts {
  off(tool: { toolset: Toolset; name?: string }): { why: string; hint: string } | null;
  absent(): readonly Blind[];
}

const LOOK_MS = 2_000;

export function createParts(parts: readonly Part[], elapsed: () => number): Parts {
  let lookedAt = Number.NEGATIVE_INFINITY;
  let gone = new Map<string, Blind>();
  const look = () => {
    const now = elapsed();
    if (now - lookedAt < LOOK_MS) return gone;
    lookedAt = now;
    gone = new Map(
      parts.flatMap(({ toolset, tool, what, missing }) => {
        const is = missing();
        return is ? [[tool ?? toolset, { what, ...is }] as const] : [];
      }),
    );
    return gone;
  };
  return {
    off({ toolset, name }) {
      const missing = look();
      const is = missing.get(toolset) ?? missing.get(name ?? toolset);
      return is ? { why: `its part of this host is missing. ${is.why}`, hint: is.fix } : null;
    },
    // Several that lack the same thing are said at once: each line is paid for by every overview.
    absent() {
      const said = new Map<string, Blind>();
      for (const is of look().values()) {
        const key = `${is.why}\n${is.fix}`;
        const same = said.get(key);
        said.set(key, same ? { ...same, what: `${same.what}, ${is.what}` } : is);
      }
      return [...said.values()];
    },
  };
}
