/**
 * Writes every committed file that is made from code: `npm run gen`. With `--check` it writes nothing and fails when one differs.
 * A page is one entry of PAGES; what stands in it is decided by the module that owns the facts.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { configurationPage, exampleFile } from '../src/config/pages.ts';
import { CODES, type Code } from '../src/core/errors.ts';
import { causesDoc } from '../src/insight/diagnose.ts';
import { CONTAINER_ROWS, ENGINE_AWAY } from '../src/insight/diagnose_container.ts';
import { DISK_NOTE, DISK_ROWS } from '../src/insight/diagnose_disk.ts';
import { REACH_ROWS } from '../src/insight/diagnose_reach.ts';
import { SLOW_NOTE, SLOW_ROWS } from '../src/insight/diagnose_slow.ts';
import { UNIT_ROWS } from '../src/insight/diagnose_unit.ts';
import { findingsDoc } from '../src/insight/findings.ts';
import { EXAMPLE, policyParts, serviceFile } from '../src/setup/tailnet/policy_file.ts';
import { catalog } from '../src/tools/index.ts';
import { connectPage } from './connect_page.ts';
import { overNetwork, overSocket } from './socket_proxy.ts';
import { golden, toolsPage } from './tools_page.ts';

export interface Page {
  path: string;
  make(): string | Promise<string>;
}

const ROOT = join(import.meta.dirname, '..');

/** Folders in which every file is generated: one that no page makes any more is removed. */
export const WHOLLY_GENERATED = ['tests/golden/tools'];

export function pages(): Page[] {
  return [
    { path: 'docs/configuration.md', make: () => configurationPage() },
    { path: 'deploy/config.example.yaml', make: () => exampleFile() },
    { path: 'deploy/docker/socket-proxy.yaml', make: overNetwork },
    { path: 'deploy/docker/socket-proxy-host.yaml', make: overSocket },
    { path: 'tailscale/service.hujson', make: () => serviceFile({ ...EXAMPLE, service: EXAMPLE.service ?? '' }) },
    { path: 'tailscale/grants.hujson', make: () => policyParts(EXAMPLE) },
    { path: 'docs/errors.md', make: errorsPage },
    { path: 'docs/connect.md', make: connectPage },
    { path: 'docs/tools.md', make: () => toolsPage(catalog.tools) },
    { path: 'docs/findings.md', make: findingsDoc },
    {
      path: 'docs/diagnose.md',
      make: () =>
        causesDoc([
          { title: 'A container is down', rows: [ENGINE_AWAY, ...CONTAINER_ROWS] },
          { title: 'A unit is down', rows: UNIT_ROWS },
          { title: 'A disk is full', note: DISK_NOTE, rows: DISK_ROWS },
          { title: 'The host is slow', note: SLOW_NOTE, rows: SLOW_ROWS },
          { title: 'Something cannot be reached from here', rows: REACH_ROWS },
        ]),
    },
    ...catalog.tools.map((tool) => ({ path: `tests/golden/tools/${tool.name}.json`, make: () => golden(tool) })),
  ];
}

const MEANING: Record<Code, { when: string; next: string }> = {
  validation: {
    when: 'The arguments, the request or the configuration are not well formed.',
    next: 'Correct what the message names.',
  },
  permission: {
    when: 'This principal, or this process on this host, may not do it.',
    next: 'Ask for the scope, or for the right on the host, that the hint names.',
  },
  not_found: {
    when: 'There is no such thing, or not any more.',
    next: 'Take one of the candidates, or list what there is.',
  },
  conflict: {
    when: 'Something else holds it: another call, a state that has moved, a port in use.',
    next: 'Wait for the other call, or read the state again.',
  },
  limit: { when: 'A rate, a size, a count or the disk is used up.', next: 'Wait for `retryAfterMs`, or ask for less.' },
  internal: {
    when: 'A fault of Deckhand. The message says nothing more to the caller.',
    next: 'Look for the call id in the server log, and report it.',
  },
  unavailable: {
    when: 'A part of the host does not answer: a daemon, a device, a remote address.',
    next: 'Start the part that the message names. A read may be tried again.',
  },
  timeout: {
    when: 'It did not end in time, or the caller left. A change may have had an effect.',
    next: 'Read the state before trying a change again.',
  },
};

export function errorsPage(): string {
  const rows = Object.entries(CODES).map(([code, { http, exit, retry }]) => {
    const { when, next } = MEANING[code as Code];
    return `| \`${code}\` | ${http} | ${exit} | ${retry ? 'yes' : 'no'} | ${when} | ${next} |`;
  });
  return `# Errors

<!-- Made by \`npm run gen\` from src/core/errors.ts. -->

Every face tells an error in the same shape: \`{code, message, hint?, candidates?, retryAfterMs?, call?}\`. \`hint\` names the next step,
\`candidates\` the names that may have been meant, and \`call\` is the correlation id, the same in the log and in the audit.

| code | HTTP | exit code | may work later | when | what to do |
|---|---|---|---|---|---|
${rows.join('\n')}

Malformed JSON and unknown methods are answered with the JSON-RPC codes of the MCP specification, before any tool is looked at.
`;
}

export interface Difference {
  path: string;
  /** First line that differs, as it stands and as it should. */
  line: number;
  is: string | null;
  should: string | null;
}

export async function differences(made: readonly Page[], root = ROOT): Promise<Difference[]> {
  const found: Difference[] = [];
  for (const page of made) {
    const should = await page.make();
    const file = join(root, page.path);
    const is = existsSync(file) ? readFileSync(file, 'utf8') : null;
    if (is === should) continue;
    const left = is?.split('\n') ?? [];
    const right = should.split('\n');
    const at = right.findIndex((text, i) => left[i] !== text);
    const i = at < 0 ? right.length : at;
    found.push({ path: page.path, line: i + 1, is: left[i] ?? null, should: right[i] ?? null });
  }
  for (const path of strays(made, root))
    found.push({ path, line: 1, is: 'a file that nothing makes any more', should: null });
  return found;
}

function strays(made: readonly Page[], root: string): string[] {
  const known = new Set(made.map((p) => p.path));
  return WHOLLY_GENERATED.filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => readdirSync(join(root, folder)).map((name) => `${folder}/${name}`))
    .filter((path) => !known.has(path));
}

async function main(check: boolean) {
  const made = pages();
  const different = await differences(made);
  if (check) {
    for (const { path, line, is, should } of different)
      process.stderr.write(
        `${path}:${line} differs from what the code makes\n  is:     ${is ?? '(nothing)'}\n  should: ${should ?? '(nothing)'}\n`,
      );
    if (different.length) process.stderr.write('Run `npm run gen` and commit the result.\n');
    process.exitCode = different.length ? 1 : 0;
    return;
  }
  for (const page of made) {
    const file = join(ROOT, page.path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, await page.make());
  }
  for (const path of strays(made, ROOT)) rmSync(join(ROOT, path));
  process.stdout.write(different.length ? `${different.map((d) => d.path).join('\n')}\n` : 'Nothing changed.\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(process.argv.includes('--check'));
