/**
 * Settings added to a config file as lines of its own: every byte that stood there stays, comments and line ends too. What stands
 * there with another value is not changed but named with its line. The text that comes out was parsed again and holds what was
 * there, and what was wanted, and nothing else.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Document, Node, Pair, YAMLMap } from 'yaml';

/** A value in a group, e.g. `tailnet.socket`; or an entry of `principals`. */
export type Wanted = { group: string; key: string; value: string } | { who: string; role: string };

export interface InTheWay {
  /** From 1; null: of the file as a whole. */
  line: number | null;
  what: string;
}

export type Added = { text: string; lines: string[] } | { inTheWay: InTheWay[] };

interface Insertion {
  at: number;
  lines: string[];
}

export async function withSettings(text: string, wanted: readonly Wanted[]): Promise<Added> {
  const yaml = (await import('yaml')).default;
  const { isMap, isScalar, isSeq, parseDocument } = yaml;
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  const counter = new yaml.LineCounter();
  const doc = parseDocument(text, { lineCounter: counter, resolveKnownTags: false, logLevel: 'error' });
  const lineAt = (offset: number) => counter.linePos(offset).line;
  const lineStart = (offset: number) => text.lastIndexOf('\n', offset - 1) + 1;
  const nextLine = (offset: number) => {
    const end = text.indexOf('\n', offset);
    return end < 0 ? text.length : end + 1;
  };
  const stuck = (line: number | null, what: string): Added => ({ inTheWay: [{ line, what }] });
  if (doc.errors.length > 0) return stuck(null, 'it is not valid YAML');
  const top = doc.contents as Node | null;
  if (!(top === null || (isScalar(top) && top.value === null) || (isMap(top) && !top.flow)))
    return stuck(null, 'its settings do not stand in lines of their own');

  const before = (doc.toJS() ?? {}) as Record<string, unknown>;
  const after = structuredClone(before);
  const insertions: Insertion[] = [];
  const atEnd: string[] = [];
  const inTheWay: InTheWay[] = [];
  const pairOf = (map: unknown, key: string): Pair | undefined =>
    isMap(map) ? (map as YAMLMap).items.find((p) => isScalar(p.key) && p.key.value === key) : undefined;
  const startOf = (node: unknown): number => (node as Node | null)?.range?.[0] ?? 0;

  /** Lines as the first ones below a key: indented as what stands there already. */
  function below(key: string, lines: string[], isFit: (node: unknown) => boolean): void {
    const pair = pairOf(top, key);
    if (!pair) {
      atEnd.push(`${key}:`, ...lines.map((l) => `  ${l}`));
      return;
    }
    const keyAt = startOf(pair.key);
    const node = pair.value as Node | null;
    if (node === null || (isScalar(node) && node.value === null && node.source === '')) {
      insertions.push({ at: nextLine(keyAt), lines: lines.map((l) => `  ${l}`) });
      return;
    }
    if (!isFit(node) || node.anchor) {
      inTheWay.push({
        line: lineAt(keyAt),
        what: `write ${lines.map((l) => `\`${l}\``).join(' and ')} into \`${key}\``,
      });
      return;
    }
    const first = lineStart(startOf(node));
    const indent = /^[ ]*/.exec(text.slice(first))?.[0] ?? '';
    insertions.push({ at: first, lines: lines.map((l) => indent + l) });
  }
  const isBlock = (node: unknown) =>
    ((isMap(node) && !node.flow) || (isSeq(node) && !node.flow)) && (node as YAMLMap).items.length > 0;

  const groups = new Map<string, string[]>();
  for (const w of wanted) {
    if ('who' in w) continue;
    const has = (before[w.group] as Record<string, unknown> | null | undefined)?.[w.key];
    if (has === w.value) continue;
    const line = `${w.key}: ${scalar(w.value)}`;
    const pair = pairOf(pairOf(top, w.group)?.value, w.key);
    if (pair) inTheWay.push({ line: lineAt(startOf(pair.key)), what: `change it to \`${line}\`` });
    else groups.set(w.group, [...(groups.get(w.group) ?? []), line]);
    after[w.group] = { ...(after[w.group] as object | null), [w.key]: w.value };
  }
  for (const [group, lines] of groups) below(group, lines, (node) => isMap(node) && isBlock(node));

  const entries: { who: string; roles: string[] }[] = [];
  const list = pairOf(top, 'principals')?.value;
  const standing = Array.isArray(before.principals) ? (before.principals as { who?: unknown; roles?: unknown }[]) : [];
  for (const w of wanted) {
    if (!('who' in w)) continue;
    const found = standing.findIndex((p) => p?.who === w.who);
    if (found < 0) {
      const made = entries.find((e) => e.who === w.who);
      if (made) made.roles.push(w.role);
      else entries.push({ who: w.who, roles: [w.role] });
      continue;
    }
    const roles = standing[found]?.roles;
    if (Array.isArray(roles) && roles.includes(w.role)) continue;
    const item = isSeq(list) ? list.items[found] : null;
    inTheWay.push({ line: lineAt(startOf(item)), what: `add the role ${w.role} to ${w.who}` });
  }
  if (entries.length > 0) {
    const lines = entries.map((e) => `- {who: ${JSON.stringify(e.who)}, roles: [${[...new Set(e.roles)].join(', ')}]}`);
    below('principals', lines, (node) => isSeq(node) && isBlock(node));
    after.principals = [...entries.map((e) => ({ ...e, roles: [...new Set(e.roles)] })), ...standing];
  }
  if (inTheWay.length > 0) return { inTheWay };

  let out = text;
  for (const { at, lines } of insertions.toSorted((a, b) => b.at - a.at)) {
    const open = at > 0 && out[at - 1] !== '\n' ? eol : '';
    out = `${out.slice(0, at)}${open}${lines.map((l) => l + eol).join('')}${out.slice(at)}`;
  }
  if (atEnd.length > 0) out += `${out === '' || out.endsWith('\n') ? '' : eol}${atEnd.map((l) => l + eol).join('')}`;
  if (!isWhole(parseDocument(out, { resolveKnownTags: false, logLevel: 'silent' }), after))
    return stuck(null, 'its form does not let lines be added safely');
  return { text: out, lines: [...insertions.flatMap((i) => i.lines), ...atEnd] };
}

const isWhole = (doc: Document.Parsed, wanted: unknown): boolean =>
  doc.errors.length === 0 && isDeepStrictEqual(doc.toJS(), wanted);

const scalar = (value: string): string => (/^[/\w][\w./:-]*$/.test(value) ? value : JSON.stringify(value));
