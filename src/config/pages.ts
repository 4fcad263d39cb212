/** The committed pages that are made from the settings: the example file and the reference. Read by scripts/gen.ts and tests only. */
import { settings } from './known.ts';
import type { Setting } from './settings.ts';
import { defaultOf, valueText, wrap } from './show.ts';

const HEAD = `# Deckhand's settings, each with its default. Copy to /etc/deckhand/config.yaml, and take the # from the lines you change.
# Environment variables and flags go before this file: http.port is also DECKHAND_HTTP_PORT and --http-port.
# Check it with: deckhand config
# Made by \`npm run gen\` from src/config/schema.ts.
`;

/** Remarks have a blank after the #, settings have none: so it is plain which # to take away. */
export function exampleFile(known: readonly Setting[] = settings()): string {
  let text = HEAD;
  let above: readonly string[] = [];
  for (const s of known) {
    const groups = s.keys.slice(0, -1);
    groups.forEach((group, depth) => {
      if (above[depth] === group && above.slice(0, depth).join() === groups.slice(0, depth).join()) return;
      text += `${depth === 0 ? '\n' : ''}${'  '.repeat(depth)}${group}:\n`;
    });
    if (groups.length === 0) text += '\n';
    above = groups;
    const indent = '  '.repeat(groups.length);
    const remark = `${s.description} ${sentence(s)}${s.defaultText ? ` Default: ${s.defaultText}.` : ''}`;
    for (const line of wrap(remark, 118 - indent.length)) text += `${indent}# ${line}\n`;
    for (const line of s.example?.split('\n') ?? []) text += `${indent}#   ${line}\n`;
    text += `${indent}#${s.keys.at(-1)}: ${exampleValue(s)}\n`;
  }
  return text;
}

const sentence = (s: Setting) => `${s.expects[0]?.toUpperCase()}${s.expects.slice(1)}.`;

function exampleValue(s: Setting): string {
  if (s.path === 'state.dir') return '/var/lib/deckhand';
  return s.standard === null ? 'null' : valueText(s.standard);
}

const INTRO = `# Configuration

<!-- Made by \`npm run gen\` from src/config/schema.ts. -->

Every setting can be given in four places; the later one counts:

1. its default;
2. the config file: \`/etc/deckhand/config.yaml\` if it exists, or the one that \`--config FILE\` or \`DECKHAND_CONFIG\` names;
3. the environment: \`http.port\` is \`DECKHAND_HTTP_PORT\`. An empty variable counts as not set;
4. a flag before the tool's name: \`--http-port 8080\`, \`--http-port=8080\`, \`--no-http-sessions-enabled\`.

- \`deckhand config\` prints what counts on this host and where each value comes from. A changed setting needs a restart.
- A wrong value, an unknown key, variable or flag stops the start; all faults are told at once, each with its place.
- Lists are separated by commas in the environment and in flags, and replace the list below them. Lists of maps are set in the file only.
- Secrets are never read from the environment or from flags, which others can see. They stand in the config file, or in a file of their own
  whose path is given as \`<name>_file\` (\`DECKHAND_<NAME>_FILE\`, \`--<name>-file\`): a systemd credential or a Docker secret. A list has one text a
  line there.
- What a service of systemd is passed by LoadCredential= is named \`credential:NAME\` wherever a setting names a secret's file ([systemd.md](systemd.md)).
- The file must not be writable by others: run by root, only root may own it; otherwise nobody may write it but its owner and the user's own group.
- Relative paths count from the config file's folder, or from where the command was run; \`~/\` is the home folder.

[deploy/config.example.yaml](../deploy/config.example.yaml) has all of them, commented out.
`;

export function configurationPage(known: readonly Setting[] = settings()): string {
  const groups = Map.groupBy(known, (s) => (s.keys.length > 1 ? (s.keys[0] as string) : ''));
  let text = INTRO;
  for (const [group, list] of groups) {
    text += `\n## ${group === '' ? 'General' : `\`${group}\``}\n\n| setting | default | what it does |\n|---|---|---|\n`;
    for (const s of list)
      text += `| \`${s.path}\`<br>${names(s)} | ${cell(defaultCell(s))} | ${cell(`${s.description} ${sentence(s)}`)} |\n`;
    for (const s of list)
      if (s.example)
        text += `\n\`\`\`yaml\n${s.keys.map((key, depth) => `${'  '.repeat(depth)}${key}:\n`).join('')}${s.example.replace(/^/gm, '  '.repeat(s.keys.length))}\n\`\`\`\n`;
  }
  return text;
}

const names = (s: Setting) =>
  s.secret
    ? `\`${s.env}_FILE\`<br>\`--${s.flag}-file\``
    : s.kind === 'objects'
      ? 'file only'
      : `\`${s.env}\`<br>\`--${s.flag}\``;

function defaultCell(s: Setting): string {
  const text = defaultOf(s);
  return s.defaultText || text === 'none' ? text : `\`${text}\`${s.unit ? ` ${s.unit}` : ''}`;
}

const cell = (text: string) => text.replaceAll('|', '\\|');
