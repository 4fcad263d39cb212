/**
 * What a client launched over stdio is told before the rest is put together: the second wiring, and a small one. It decides that a state
 * folder which cannot be used ends the start here, before anything is answered; the files in it are opened later, by app.ts.
 */

import { dockerSettings } from './config/engines.ts';
import type { Loaded } from './config/load.ts';
import { offByConfig } from './config/off.ts';
import type { Principal } from './core/call.ts';
import { hostParts } from './host/parts.ts';
import { nameOf } from './host/system/name.ts';
import { createAccess } from './policy/access.ts';
import { stdioPrincipal } from './policy/authenticate.ts';
import { type Rule, type Seen, visible } from './policy/authorize.ts';
import { createParts } from './policy/parts.ts';
import { becomeOwner, openState } from './store/state.ts';

export interface Front {
  info: { hostname: string; kind: string; version: string };
  principal: Principal;
  /** Of these tools, those that this principal sees. */
  visible<T extends Seen>(tools: readonly T[]): readonly T[];
}

export function openFront({ config }: Loaded, version: string): Front {
  becomeOwner(config.state.dir);
  openState(config.state.dir);
  // A copy of what app.ts has: what a credential names wrongly is logged there.
  const access = createAccess({ ...config, tools: [], log: { warn() {} } });
  const principal = access.known(stdioPrincipal(process.getuid?.() ?? 0, config.stdio.role));
  const off = offByConfig(config);
  const parts = createParts(
    hostParts({ docker: dockerSettings(config), root: config.host.root, roots: config.files.roots, ...config.tailnet }),
    () => performance.now(),
  );
  return {
    info: { ...nameOf(config.host.root), version },
    principal,
    visible<T extends Seen>(tools: readonly T[]) {
      const rule: Rule<T> = {
        catalog: { tools },
        access,
        mode: config.mode,
        off: (tool) => off(tool) ?? parts.off(tool),
        clock: { now: Date.now },
      };
      return visible(principal, undefined, rule);
    },
  };
}
