/**
 * Names by pattern: `*`, `?`, `[a-z]`, `[!a-z]`, and in a path `**` for any number of folders. Pure. Each star goes back to itself alone,
 * so that no pattern of a caller costs more than name times pattern.
 */
import { OpsError } from '../../core/errors.ts';

type Step =
  | { is: 'char'; char: string }
  | { is: 'any' }
  | { is: 'star' }
  | { is: 'set'; has: (char: string) => boolean };

/** Of one name, as text. */
export function nameGlob(pattern: string): (name: string) => boolean {
  const steps = stepsOf(pattern);
  const plain = (some: Step[]) => some.every((s) => s.is === 'char');
  const text = (some: Step[]) => some.map((s) => (s.is === 'char' ? s.char : '')).join('');
  // What most patterns are: a name, a beginning, an end.
  if (plain(steps)) return (name) => name === text(steps);
  if (steps[0]?.is === 'star' && plain(steps.slice(1))) {
    const end = text(steps.slice(1));
    return (name) => name.endsWith(end);
  }
  if (steps.at(-1)?.is === 'star' && plain(steps.slice(0, -1))) {
    const start = text(steps.slice(0, -1));
    return (name) => name.startsWith(start);
  }
  return (name) =>
    fits(
      steps,
      [...name],
      (step, char) => one(step, char),
      (step) => step.is === 'star',
    );
}

/** Whether it asks of a name no more than ASCII characters at its beginning and its end, and so the same of its bytes. */
export const bytewise = (pattern: string): boolean =>
  /^\*?[\x20-\x29\x2b-\x3e\x40-\x5a\x5d-\x7e]*$|^[\x20-\x29\x2b-\x3e\x40-\x5a\x5d-\x7e]*\*$/.test(pattern);

/** Of the path below a start, by its components. */
export function pathGlob(pattern: string): (components: readonly string[]) => boolean {
  const parts = pattern
    .split('/')
    .filter((p) => p !== '')
    .map((p) => (p === '**' ? null : nameGlob(p)));
  return (components) =>
    fits(
      parts,
      components,
      (part, name) => part?.(name) === true,
      (part) => part === null,
    );
}

const one = (step: Step, char: string) =>
  step.is === 'any' || (step.is === 'char' && step.char === char) || (step.is === 'set' && step.has(char));

function fits<P, C>(
  pattern: readonly P[],
  items: readonly C[],
  matches: (p: P, item: C) => boolean,
  isStar: (p: P) => boolean,
): boolean {
  let p = 0;
  let i = 0;
  let star = -1;
  let from = 0;
  while (i < items.length) {
    const step = pattern[p];
    if (p < pattern.length && isStar(step as P)) {
      star = p++;
      from = i;
    } else if (p < pattern.length && matches(step as P, items[i] as C)) {
      p++;
      i++;
    } else if (star >= 0) {
      p = star + 1;
      i = ++from;
    } else return false;
  }
  while (p < pattern.length && isStar(pattern[p] as P)) p++;
  return p === pattern.length;
}

function stepsOf(pattern: string): Step[] {
  const chars = [...pattern];
  if (chars.length === 0 || chars.length > 512)
    throw new OpsError('validation', 'A pattern has 1 to 512 characters.', { hint: 'For example *.conf.' });
  const steps: Step[] = [];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] as string;
    if (char === '*') {
      if (steps.at(-1)?.is !== 'star') steps.push({ is: 'star' });
    } else if (char === '?') steps.push({ is: 'any' });
    else if (char === '\\' && at + 1 < chars.length) steps.push({ is: 'char', char: chars[++at] as string });
    else if (char === '[') {
      // As in a shell: `]` right behind the bracket is a member, and a bracket that nothing closes is itself.
      const not = chars[at + 1] === '!' || chars[at + 1] === '^';
      const first = at + (not ? 2 : 1);
      const end = chars.indexOf(']', first + 1);
      if (end < 0) steps.push({ is: 'char', char });
      else {
        steps.push({ is: 'set', has: setOf(chars.slice(first, end), not) });
        at = end;
      }
    } else steps.push({ is: 'char', char });
  }
  return steps;
}

function setOf(members: string[], not: boolean): (char: string) => boolean {
  const ranges: [number, number][] = [];
  const code = (c: string | undefined) => c?.codePointAt(0) ?? 0;
  for (let at = 0; at < members.length; at++) {
    if (members[at + 1] === '-' && at + 2 < members.length) {
      ranges.push([code(members[at]), code(members[at + 2])]);
      at += 2;
    } else ranges.push([code(members[at]), code(members[at])]);
  }
  return (char) => ranges.some(([from, to]) => code(char) >= from && code(char) <= to) !== not;
}
