/** Every call that a diagnosis advises is one that its tool takes: names and arguments are held to the catalog. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { CONTAINER_ROWS } from '../../src/insight/diagnose_container.ts';
import { DISK_ROWS } from '../../src/insight/diagnose_disk.ts';
import { SLOW_ROWS } from '../../src/insight/diagnose_slow.ts';
import { catalog } from '../../src/tools/index.ts';

/** In the words of the rows, and those that the code writes as it goes. */
const rows = [...CONTAINER_ROWS, ...DISK_ROWS, ...SLOW_ROWS].map((r) => r.next);
const written = ['causes_disk', 'causes_disk_places', 'causes_slow', 'causes_slow_share'].flatMap((name) => [
  ...readFileSync(new URL(`../../src/insight/${name}.ts`, import.meta.url), 'utf8').matchAll(/'([a-z_]+ \{".*?\})'/g),
]);
const calls = [...new Set([...rows, ...written.map((m) => m[1] as string)])]
  .map((next) =>
    next
      .replaceAll('{ENGINE}', '')
      .replaceAll('{AT}', '')
      .replace(/\{[A-Z]+\}/g, 'app.service'),
  )
  .flatMap((next) => {
    const [, tool, args] = /^([a-z_]+) (\{.*\})$/.exec(next) ?? [];
    return tool && args && catalog.tools.some((t) => t.name === tool) ? [[next, tool, args] as const] : [];
  });

it('there are some', () => expect(calls.length).toBeGreaterThan(12));

it.each(calls)('%s', (_, name, args) => {
  const tool = catalog.tools.find((t) => t.name === name);
  const parsed = tool?.input.safeParse(JSON.parse(args));
  expect(parsed?.error?.issues ?? []).toEqual([]);
});

it('what looks like a call of ours and is of no tool is none that was forgotten', () => {
  const words = rows.map((next) => /^([a-z]+_[a-z_]+) \{/.exec(next)?.[1]).filter((w) => w !== undefined);
  expect(words.filter((w) => !catalog.tools.some((t) => t.name === w))).toEqual([]);
});
