/**
 * A program of its own, started for one file and killed in time: what stands in it may be made to cost a parser all its time or memory.
 * Parses, and makes nothing of it: no tag is obeyed, no alias followed, no other file opened. Says what it found in one line of JSON.
 */
import { readFileSync } from 'node:fs';
import { argv, stdout } from 'node:process';

interface Found {
  result: 'ok' | 'failed' | 'unknown';
  why: string | null;
  line: number | null;
}
const ok: Found = { result: 'ok', why: null, line: null };
const failed = (why: string, line: number | null): Found => ({ result: 'failed', why: why.slice(0, 1_000), line });

/** The parser compares each key with each. */
const MOST_FOR_KEYS = 200_000;

/** The first line with which the text cannot go on: the parser tells it only for some errors. */
function lineOfError(text: string): number {
  const ends = [...text.matchAll(/\n|$/g)].map((m) => m.index);
  let low = 0;
  let high = ends.length - 1;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (goesOn(text.slice(0, ends[mid]))) low = mid + 1;
    else high = mid;
  }
  return low + 1;
}

function goesOn(part: string): boolean {
  try {
    JSON.parse(part);
    return true;
  } catch (error) {
    const [, at] = / at position (\d+)/.exec(String(error)) ?? [];
    return /Unexpected end of JSON input/.test(String(error)) || Number(at) >= part.length;
  }
}

const PARSERS: Record<string, (text: string) => Promise<Found> | Found> = {
  json(text) {
    try {
      JSON.parse(text);
      return ok;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      // What stands behind a comma is a part of the text, or its place in it.
      return failed(
        error.message.replace(/ (?:in JSON )?at position \d+.*$|, (?:\.\.\.)?"[\s\S]*$/, ''),
        lineOfError(text),
      );
    }
  },

  async yaml(text) {
    const { parseAllDocuments } = await import('./yaml.ts');
    const parsed = parseAllDocuments(text, {
      strict: true,
      uniqueKeys: text.length < MOST_FOR_KEYS,
      logLevel: 'silent',
    });
    for (const { errors } of parsed) {
      const [first] = errors;
      // It catches its own.
      if (first?.message.includes('call stack')) throw new RangeError(first.message);
      // The message goes on with the lines around it.
      if (first)
        return failed(
          (first.message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, ''),
          first.linePos?.[0].line ?? null,
        );
    }
    return ok;
  },

  async toml(text) {
    const { parse, TomlError } = await import('smol-toml');
    try {
      parse(text);
      return ok;
    } catch (error) {
      if (!(error instanceof TomlError)) throw error;
      return failed((error.message.split('\n')[0] ?? '').replace(/^Invalid TOML document: /, ''), error.line);
    }
  },
};

async function look(kind: string, path: string): Promise<Found> {
  const bytes = readFileSync(path);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return failed('It is no valid UTF-8.', null);
  }
  try {
    const parse = PARSERS[kind];
    return parse ? await parse(text) : { result: 'unknown', why: 'Nobody parses that kind.', line: null };
  } catch (error) {
    if (error instanceof RangeError)
      return { result: 'unknown', why: 'It is nested too deeply to be parsed.', line: null };
    throw error;
  }
}

/** No `await` at the top: in the single executable this is no module. */
async function main(): Promise<void> {
  const [kind = '', path = ''] = argv.slice(2);
  stdout.write(`${JSON.stringify(await look(kind, path))}\n`);
}

void main();
