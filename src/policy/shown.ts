/**
 * A change as the person who decides on it sees it: exactly what was asked, with what cannot be seen written out, secrets redacted,
 * one line where one line is meant, and never longer than a person would read. Also the question for a client's user. Pure.
 */
import { canonical } from '../core/canonical.ts';
import { reveal, strip } from '../core/foreign.ts';
import { clip } from '../core/text.ts';
import type { ApprovalInput } from '../store/approvals.ts';
import type { ApprovalRequest, Redactor } from './ports.ts';

const LINE = 500;
const NAME = 200;
const LONG = 32 * 1024;
const QUESTION = 2_000;

export type Shown = Pick<ApprovalInput, 'shown' | 'targets' | 'summary' | 'diff' | 'origin'>;

export function shownOf({ input, preview, targets, from }: ApprovalRequest, redactor: Redactor): Shown {
  const block = (text: string) => clip(seen(text, redactor), LONG);
  const line = (text: string, most = LINE) => clip(oneLine(seen(text, redactor)), most);
  const { face, client, address } = from;
  return {
    shown: argumentsOf(input, redactor),
    // Cut names are for the eyes only: what is bound is the whole input.
    targets: targets.slice(0, 100).map(({ kind, name }) => ({ kind, name: line(name) })),
    summary: line(preview.summary),
    ...(preview.diff === undefined ? {} : { diff: block(preview.diff) }),
    origin: {
      face,
      ...(client === undefined ? {} : { client: line(client, NAME) }),
      ...(address === undefined ? {} : { address: line(address, NAME) }),
    },
  };
}

/** The words that a client may put to its user. */
export function questionOf({ principal, tool, risk }: ApprovalRequest, s: Shown, minutes: number): string {
  const targets = s.targets.map((t) => `${t.kind}:${t.name}`).join(', ');
  const lines = [
    s.summary,
    `${principal} asks for ${tool} (${risk})${targets ? ` on ${targets}` : ''}.`,
    `Arguments: ${typeof s.shown === 'string' ? s.shown : JSON.stringify(s.shown)}`,
    ...(s.diff ? [s.diff] : []),
  ];
  return `${clip(lines.join('\n'), QUESTION)}\nAllow it, once, within ${minutes} min?`;
}

/** Redaction reads what a reader would: a secret with an invisible character in it is still one. */
function seen(text: string, redactor: Redactor): string {
  const stripped = strip(text);
  const redacted = redactor.text(stripped);
  return redacted === stripped ? reveal(text) : redacted;
}

export const oneLine = (text: string): string => text.replace(/\n/g, '\\n').replace(/\t/g, ' ');

function argumentsOf(input: string, redactor: Redactor): unknown {
  const given: unknown = JSON.parse(input);
  const stripped = mapped(given, strip);
  const redacted = redactor.deep(stripped);
  const shown = canonical(redacted) === canonical(stripped) ? mapped(given, reveal) : redacted;
  const text = JSON.stringify(shown);
  return text.length <= LONG ? shown : clip(text, LONG);
}

function mapped(value: unknown, each: (text: string) => string): unknown {
  if (typeof value === 'string') return each(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((part) => mapped(part, each));
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [each(key), mapped(part, each)]));
}
