/**
 * What a diagnosis is, whatever it is of: rows that each know one cause, asked one after the other, and the ranking of those that hit.
 * Decides order, and what of others' words may stand in a call that we advise; the rows are of diagnose_container.ts.
 */

/** As sure as the facts make it that this is why, surest first. */
export const CERTAINTY = ['certain', 'likely', 'possible'] as const;
export type Certainty = (typeof CERTAINTY)[number];

export interface Cause {
  id: string;
  certainty: Certainty;
  /** What it rests on. Others' words are in it. */
  evidence: string[];
  sentence: string;
  next: string;
}

export interface CauseHit {
  certainty: Certainty;
  evidence: string[];
  /** Where the facts say more than the row's own one; our words only. */
  sentence?: string;
  /** Likewise. */
  next?: string;
  /** For `{WORDS}` of `next`. */
  words?: Record<string, string>;
}

export interface CauseRow<F> {
  id: string;
  /** The condition in words, for docs/diagnose.md. */
  when: string;
  sentence: string;
  /** An exact call of a tool, or a command; `{WORD}` is filled from the facts. */
  next: string;
  /** It only tells how it stands: asked where nothing else is at least likely. */
  last?: true;
  test(facts: F): CauseHit | null;
}

const MOST = 4;
const rank = (c: { certainty: Certainty }) => CERTAINTY.indexOf(c.certainty);

/** Surest first; equals in the order of the table. `words` are those that each row may use. */
export function causesOf<F>(rows: readonly CauseRow<F>[], facts: F, words: Record<string, string>): Cause[] {
  const ask = (some: readonly CauseRow<F>[]): Cause[] =>
    some.flatMap((row) => {
      const hit = row.test(facts);
      if (!hit) return [];
      const next = filled(hit.next ?? row.next, { ...words, ...hit.words });
      const { certainty, evidence } = hit;
      return [{ id: row.id, certainty, evidence, sentence: hit.sentence ?? row.sentence, next }];
    });
  const found = ask(rows.filter((r) => !r.last));
  const enough = found.some((c) => c.certainty !== 'possible');
  const all = enough ? found : [...ask(rows.filter((r) => r.last)), ...found];
  return all.toSorted((a, b) => rank(a) - rank(b)).slice(0, MOST);
}

/** Others' names go into a call only where no shell, no JSON and no option parser can read anything else in them. */
const PLAIN = /^[A-Za-z0-9][A-Za-z0-9/_.@:-]{0,254}$/;
const filled = (next: string, words: Record<string, string>): string =>
  next.replace(/\{([A-Z]+)\}/g, (_, word: string) => {
    const is = words[word];
    const plain = is !== undefined && PLAIN.test(is);
    // Left out where the caller named no engine.
    if (word === 'ENGINE') return plain ? `,"engine":"${is}"` : '';
    if (word === 'AT') return plain ? `${is}/` : '';
    return plain ? is : word;
  });

/** As a reader has it: without what is there only where an engine was named. */
const plainly = (next: string): string => filled(next, {});

/** docs/diagnose.md, whole. */
export function causesDoc(
  parts: readonly { title: string; note?: string; rows: readonly CauseRow<never>[] }[],
): string {
  const cell = (text: string) => text.replaceAll('|', '\\|');
  return [
    '# Causes',
    '',
    '<!-- Made by `npm run gen` from src/insight/. -->',
    '',
    'What `diagnose` can find, by what it is asked about. Its answer has the surest first, equals in this order, with what each rests on. A cause is',
    '`certain` where whoever runs the thing says so itself, `likely` where the signs fit, `possible` where it alone would explain it but was not seen.',
    'A word in capitals in the next step stands for what was found.',
    ...parts.flatMap(({ title, note, rows }) => [
      '',
      `## ${title}`,
      '',
      ...(note === undefined ? [] : [note, '']),
      '| id | when | what it means | next step |',
      '|---|---|---|---|',
      ...rows.map((r) => `| \`${r.id}\` | ${cell(r.when)} | ${cell(r.sentence)} | \`${cell(plainly(r.next))}\` |`),
    ]),
    '',
  ].join('\n');
}
