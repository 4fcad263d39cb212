/** What the pages point at is there: files, headings, and the commands and flags of `deckhand` that they tell people to type. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { COMMANDS, commandOf } from '../src/cli/commands.ts';
import { settings } from '../src/config/known.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const pages = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
  cwd: root,
  encoding: 'utf8',
})
  .trim()
  .split('\n')
  .filter((p) => existsSync(join(root, p)));

/** Without code: what stands in it is no link. */
const prose = (text: string): string => text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');

/** As forges make them of headings. */
function anchors(text: string): Set<string> {
  const found = [...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/^#{1,6} +(.+?) *$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-'),
  );
  return new Set(found);
}

function brokenLinks(page: string, text: string): string[] {
  return [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) => {
    if (/^[a-z][a-z0-9+.-]*:/.test(link)) return [];
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? join(root, page) : join(root, dirname(page), path);
    if (relative(root, target).startsWith('..') || !existsSync(target)) return [`${link}: no such file`];
    if (anchor === undefined || statSync(target).isDirectory() || !target.endsWith('.md')) return [];
    const there = target === join(root, page) ? text : readFileSync(target, 'utf8');
    return anchors(there).has(anchor) ? [] : [`${link}: no such heading`];
  });
}

/** Words of a shell line, as far as pages write them. */
const words = (line: string): string[] => line.match(/"[^"]*"|'[^']*'|[^\s]+/g) ?? [];

const flagsOfSettings = new Set(settings().map((s) => s.flag));

function wrongCommands(text: string): string[] {
  const code = [...text.matchAll(/^```[^\n]*\n([\s\S]*?)^```/gm)].flatMap(([, block = '']) => block.split('\n'));
  const inline = [...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/`((?:sudo )?deckhand [^`\n]+)`/g)].map(
    ([, line = '']) => line.replaceAll('\\|', '|'),
  );
  return [...code, ...inline].flatMap((line) => {
    const typed = /^\s*(?:\$ )?(?:sudo )?(?:bin\/deckhand\.mjs|deckhand) +(.+)$/.exec(line)?.[1];
    if (typed === undefined) return [];
    // What follows a pipe or a comment is another's; what stands for something is no word of ours.
    const said = words(typed.split(/\s[#|>&]|;|\s{3,}/)[0] ?? '').filter((w) => w !== '…' && w !== '...');
    const flag = /^--?[a-z]/;
    const names = said.filter((w) => !flag.test(w));
    const from = said.findIndex((w) => !flag.test(w));
    const command = commandOf(names) ?? commandOf(said.slice(Math.max(from, 0)));
    const first = names[0] ?? said[0] ?? '';
    if (!command) {
      const group = COMMANDS.some((c) => c.name.startsWith(`${first} `)) && names.length === 1;
      return group || /^(?:--?version|--?help|-h|[A-Z]+)$/.test(first) ? [] : [`${line.trim()}: no such command`];
    }
    if (command.rest) return [];
    const own = new Set([...(command.options ?? []).map((o) => o.name), 'help']);
    return said.flatMap((word) => {
      const name = /^--(?:no-)?([a-z][a-z0-9-]*)/.exec(word)?.[1];
      return name === undefined || own.has(name) || flagsOfSettings.has(name)
        ? []
        : [`${line.trim()}: \`${command.name}\` has no --${name}`];
    });
  });
}

test.each(pages)('%s: its links lead somewhere', (page) => {
  expect(brokenLinks(page, readFileSync(join(root, page), 'utf8'))).toEqual([]);
});

test.each(pages.filter((p) => p !== 'CHANGELOG.md'))('%s: its commands can be typed', (page) => {
  expect(wrongCommands(readFileSync(join(root, page), 'utf8'))).toEqual([]);
});

test('the looks see a dead link, a dead heading, a wrong command and a wrong flag', () => {
  expect(
    brokenLinks('docs/faq.md', 'see [a](nowhere.md), [b](#none), [c](../README.md#deckhand), `[d](none)`'),
  ).toEqual(['nowhere.md: no such file', '#none: no such heading']);
  const text =
    '```\nsudo deckhand tokne add x\ndeckhand token add x --rol viewer\ndeckhand token list | less --x\n```\n`deckhand doctr` `deckhand undo`';
  expect(wrongCommands(text)).toEqual([
    'sudo deckhand tokne add x: no such command',
    'deckhand token add x --rol viewer: `token add` has no --rol',
    'deckhand doctr: no such command',
  ]);
});
