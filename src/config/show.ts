/** Settings in words for a person at a terminal: what counts here and where it comes from, and the list of flags. Secrets never. */

import { settings } from './known.ts';
import type { Loaded, Origin } from './load.ts';
import type { Setting } from './settings.ts';

export interface Row {
  path: string;
  /** As text; `[set]` or `[not set]` for a secret. */
  value: string;
  /** Of a list of maps, each as text. */
  items: string[];
  from: Origin['from'];
  where: string;
}

export function configRows(loaded: Loaded<unknown>, known: readonly Setting[] = settings()): Row[] {
  return known.map((setting) => {
    const origin = loaded.origins.get(setting.path) ?? { from: 'default', where: '' };
    const value = setting.keys.reduce<unknown>(
      (at, key) => (at as Record<string, unknown> | undefined)?.[key],
      loaded.config,
    );
    const items = setting.kind === 'objects' && !setting.secret ? (value as unknown[]).map(valueText) : [];
    return { path: setting.path, value: setting.secret ? presence(value) : valueText(value), items, ...origin };
  });
}

/** `http.port = 7070 (env DECKHAND_HTTP_PORT)`, a line for each setting. */
export function printConfig(loaded: Loaded<unknown>, known: readonly Setting[] = settings()): string {
  const head = loaded.file ? `# file: ${loaded.file}` : '# file: none';
  const lines = configRows(loaded, known).flatMap(({ path, value, items, from, where }) => {
    const origin = where ? `${from} ${where}` : from;
    if (!items.length) return [`${path} = ${value} (${origin})`];
    // Numbered from one, as errors of calls and the audit name them.
    return [`${path} = ${items.length} (${origin})`, ...items.map((item, n) => `  ${n + 1}: ${item}`)];
  });
  return `${[head, ...lines].join('\n')}\n`;
}

/** A secret shows only that it is there: not even its length or number. */
const presence = (value: unknown) =>
  value === null || value === undefined || value === '' || (Array.isArray(value) && value.length === 0)
    ? '[not set]'
    : '[set]';

/** YAML that fits on a line: words bare, everything that could be misread quoted. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return 'not set';
  if (Array.isArray(value)) return `[${value.map(valueText).join(', ')}]`;
  if (typeof value === 'object')
    return `{${Object.entries(value)
      .map(([key, part]) => `${key}: ${valueText(part)}`)
      .join(', ')}}`;
  if (typeof value !== 'string') return String(value);
  const bare = /^[\w/][\w./:@+-]*$/.test(value) && !value.endsWith(':') && Number.isNaN(Number(value));
  return bare && !/^(true|false|null)$/i.test(value) ? value : escaped(JSON.stringify(value));
}

/** JSON leaves these raw; a terminal obeys them. */
const escaped = (text: string) =>
  text.replace(
    /[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

const VALUE: Record<Setting['kind'], string> = {
  text: ' TEXT',
  integer: ' N',
  boolean: '',
  choice: ' NAME',
  texts: ' A,B',
  choices: ' A,B',
  objects: '',
};

export const defaultOf = (s: Setting): string =>
  s.defaultText ??
  (s.secret ? 'none' : Array.isArray(s.standard) && s.standard.length === 0 ? 'none' : valueText(s.standard));

/** The part of `--help` that lists the settings. */
export function settingsHelp(known: readonly Setting[] = settings(), width = 100): string {
  const rows = known
    .filter((s) => s.kind !== 'objects')
    .map((s) => ({
      flag: s.secret ? `--${s.flag}-file FILE` : `--${s.kind === 'boolean' ? '[no-]' : ''}${s.flag}${VALUE[s.kind]}`,
      text: `${s.description.replaceAll('`', '')} [${defaultOf(s)}]`,
    }));
  const fileOnly = known
    .filter((s) => s.kind === 'objects')
    .map((s) => ({ flag: s.path, text: `In the file only. ${s.description.replaceAll('`', '')} [${defaultOf(s)}]` }));
  const head = { flag: '--config FILE', text: 'The config file. [/etc/deckhand/config.yaml, if it exists]' };
  const indent = ' '.repeat(6);
  return [head, ...rows, ...fileOnly]
    .map(
      ({ flag, text }) =>
        `  ${flag}\n${wrap(text, width - indent.length)
          .map((l) => indent + l)
          .join('\n')}\n`,
    )
    .join('');
}

export function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) as string;
    if (line === '') lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}
