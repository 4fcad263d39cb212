/**
 * The provider of `npm run coverage`: v8's, and each place of a file counted once. A file that tests import and that runs in a thread of
 * ours too (tests/threads_counted.ts) comes in two texts, the runner's and its own; they agree on where a branch begins and not
 * always on where it ends, so that merged as they are each such branch would count twice, covered here and open there. What core/ and
 * policy/ do in a thread does not count at all: those are to be covered whole by the tests that call them.
 */
import v8 from '@vitest/coverage-v8';
import type { CoverageProvider } from 'vitest/node';

interface At {
  line?: number;
  column?: number | null;
}
interface Range {
  start: At;
}
/** What istanbul keeps of a file: places by number, and how often each was passed. */
interface FileData {
  statementMap: Record<string, Range>;
  s: Record<string, number>;
  fnMap: Record<string, { loc: Range }>;
  f: Record<string, number>;
  branchMap: Record<string, { type: string; loc: Range; locations: Range[] }>;
  b: Record<string, number[]>;
}
interface CoverageMap {
  files(): string[];
  fileCoverageFor(file: string): { data: FileData };
}

const at = ({ start }: Range): string => `${start.line ?? '-'}:${start.column ?? '-'}`;

/** Of places that are one, the first stays, with the passes of all. */
function once<Place, Count>(
  places: Record<string, Place>,
  counts: Record<string, Count>,
  name: (place: Place) => string,
  sum: (a: Count, b: Count) => Count,
): void {
  const first = new Map<string, string>();
  for (const [id, place] of Object.entries(places)) {
    const kept = first.get(name(place));
    if (kept === undefined) first.set(name(place), id);
    else {
      counts[kept] = sum(counts[kept] as Count, counts[id] as Count);
      delete places[id];
      delete counts[id];
    }
  }
}

export function eachOnce(file: FileData): void {
  const plus = (a: number, b: number) => a + b;
  once(file.statementMap, file.s, at, plus);
  once(file.fnMap, file.f, (fn) => at(fn.loc), plus);
  once(
    file.branchMap,
    file.b,
    (branch) => [branch.type, at(branch.loc), ...branch.locations.map(at)].join(' '),
    (a, b) => a.map((n, i) => n + (b[i] ?? 0)),
  );
}

interface Scripts {
  result: { url: string; isExtendedContext?: boolean }[];
}
const CALLED = /\/src\/(?:core|policy)\//;

export default {
  ...v8,
  async getProvider() {
    const provider = (await v8.getProvider()) as CoverageProvider & {
      convertCoverage(scripts: Scripts, ...more: unknown[]): Promise<unknown>;
    };
    const convert = provider.convertCoverage.bind(provider);
    provider.convertCoverage = ({ result }, ...more) =>
      convert({ result: result.filter((s) => !(s.isExtendedContext && CALLED.test(s.url))) }, ...more);
    const generate = provider.generateCoverage.bind(provider);
    provider.generateCoverage = async (context) => {
      const map = (await generate(context)) as CoverageMap;
      for (const file of map.files()) eachOnce(map.fileCoverageFor(file).data);
      return map;
    };
    return provider;
  },
};
