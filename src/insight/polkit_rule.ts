/**
 * The rule by which polkit lets one user change exactly the units of an allow list, as systemd asks it: action, unit, verb. Pure. Decides
 * that what Deckhand refuses the rule refuses, too: a process of that user could go past Deckhand. What polkit cannot tell apart
 * (enable and disable name no unit) stays commented out.
 */
import type { ServiceRules } from '../core/services.ts';
import { CHANGED_TYPES, KEEP, NEVER } from './unit_guard.ts';

/** As systemd names them to polkit. */
export const POLKIT_VERBS = ['start', 'stop', 'restart', 'reload', 'reset-failed'] as const;
const TAKES_AWAY = ['stop', 'restart', 'reload'];

/** A glob of the config as the source of a regular expression: `*` is any text, all else itself. */
export const globPattern = (glob: string): string =>
  `^${glob.replace(/[.*+?^${}()|[\]\\/]/g, (c) => (c === '*' ? '.*' : `\\${c}`))}$`;

const list = (globs: readonly string[]): string =>
  globs.length === 0 ? '[]' : `[\n${globs.map((g) => `    /${globPattern(g)}/,`).join('\n')}\n  ]`;

export const POLKIT_PATH = '/etc/polkit-1/rules.d/50-deckhand.rules';

export function polkitRule(o: { user: string; rules: ServiceRules }): string {
  const names = (rows: typeof NEVER) => rows.flatMap((row) => row.names);
  return `// Lets the user ${o.user} change the units of services.allow, and no others, through systemd.
// Made by \`deckhand doctor --polkit\` from this host's settings: make it anew when services.allow or services.protect change.
// Save as ${POLKIT_PATH} (root, 0644). polkit 0.106 or later reads it at once; older ones have no such rules.
// It holds for every process of ${o.user}, not only for Deckhand: that user should run nothing else.
polkit.addRule(function (action, subject) {
  if (subject.user !== ${JSON.stringify(o.user)}) return undefined;

  // Enabling and disabling: systemd tells polkit neither the unit nor the verb, so it is all units or none. Whoever may enable any
  // unit file can have one of their own started by root at the next boot. Only who accepts that takes away the two slashes:
  // if (action.id === "org.freedesktop.systemd1.manage-unit-files" || action.id === "org.freedesktop.systemd1.reload-daemon") return polkit.Result.YES;

  if (action.id !== "org.freedesktop.systemd1.manage-units") return undefined;
  var unit = action.lookup("unit");
  var verb = action.lookup("verb");
  if (!unit || !verb) return undefined;
  function among(patterns) {
    return patterns.some(function (pattern) { return pattern.test(unit); });
  }
  // services.allow
  var allow = ${list(o.rules.allow)};
  // services.protect
  var protect = ${list(o.rules.protect)};
  // What Deckhand never changes, and what it only brings back.
  var never = ${list(names(NEVER))};
  var keep = ${list(names(KEEP))};

  if (${JSON.stringify(POLKIT_VERBS)}.indexOf(verb) < 0) return undefined;
  if (!/\\.(${CHANGED_TYPES.join('|')})$/.test(unit)) return undefined;
  if (!among(allow) || among(protect)) return undefined;
  if (verb !== "reset-failed" && among(never)) return undefined;
  if (${JSON.stringify(TAKES_AWAY)}.indexOf(verb) >= 0 && among(keep)) return undefined;
  return polkit.Result.YES;
});
`;
}
