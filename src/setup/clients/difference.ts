/** The lines of one change, for a person. An edit here only adds or only takes away, mostly: then what stayed is found line by line. */

interface Line {
  sign: ' ' | '+' | '-';
  text: string;
}

const AROUND = 3;

/** Lines of both, in order; `\r` is not shown where all lines have it. */
export function lineDiff(before: string, after: string): Line[] {
  const a = linesOf(before);
  const b = linesOf(after);
  return greedy(a, b, '+') ?? greedy(b, a, '-') ?? whole(a, b);
}

const linesOf = (text: string) => (text === '' ? [] : text.replace(/\r?\n$/, '').split(/\r?\n/));

/** Null: the shorter one is not in the longer one. From the end, so that a bracket is that of its own block. */
function greedy(few: string[], many: string[], sign: '+' | '-'): Line[] | null {
  let head = 0;
  while (head < few.length && few[head] === many[head]) head++;
  const lines: Line[] = [];
  let i = few.length - 1;
  for (let n = many.length - 1; n >= head; n--) {
    const text = many[n] as string;
    if (i >= head && few[i] === text) {
      lines.push({ sign: ' ', text });
      i--;
    } else lines.push({ sign, text });
  }
  if (i >= head) return null;
  return [...few.slice(0, head).map((text) => ({ sign: ' ' as const, text })), ...lines.reverse()];
}

function whole(a: string[], b: string[]): Line[] {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < Math.min(a.length, b.length) - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const as = (sign: Line['sign']) => (text: string) => ({ sign, text });
  return [
    ...a.slice(0, head).map(as(' ')),
    ...a.slice(head, a.length - tail).map(as('-')),
    ...b.slice(head, b.length - tail).map(as('+')),
    ...a.slice(a.length - tail).map(as(' ')),
  ];
}

export function unified(file: string, before: string | null, after: string | null): string {
  const lines = lineDiff(before ?? '', after ?? '');
  const changed = lines.flatMap((l, i) => (l.sign === ' ' ? [] : [i]));
  const near = new Set(changed.flatMap((i) => Array.from({ length: 2 * AROUND + 1 }, (_, k) => i - AROUND + k)));
  const out = [`--- ${before === null ? '/dev/null' : file}`, `+++ ${after === null ? '/dev/null' : file}`];
  let oldLine = 0;
  let newLine = 0;
  let last = -2;
  lines.forEach((l, i) => {
    if (near.has(i)) {
      if (last !== i - 1) out.push(`@@ -${oldLine + 1} +${newLine + 1} @@`);
      out.push(l.sign + l.text);
      last = i;
    }
    if (l.sign !== '+') oldLine++;
    if (l.sign !== '-') newLine++;
  });
  return out.join('\n');
}
