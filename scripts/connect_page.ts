/** docs/connect.md, made from the table of clients: what a person reads there is what `deckhand client` does. */
import { CLIENTS } from '../src/setup/clients/catalog.ts';
import { printed } from '../src/setup/clients/index.ts';
import { said } from '../src/setup/clients/places.ts';
import { bySsh, byUrl } from '../src/setup/clients/reach.ts';
import type { ClientSpec } from '../src/setup/clients/spec.ts';

const NONE = { toolsets: [], readOnly: false };

function files({ user, project }: ClientSpec): string {
  if (!user) return 'yours: `--config FILE`';
  const of = (p: 'linux' | 'darwin' | 'win32') => `\`${said(user[p]?.[0] ?? '', p)}\``;
  const [linux, mac, windows] = [of('linux'), of('darwin'), of('win32')];
  const unix = linux === mac ? linux : `${linux}<br>macOS: ${mac}`;
  return `${unix}<br>Windows: ${windows}${project ? `<br>project: \`${project}\`` : ''}`;
}

function token({ ways, env, asks }: ClientSpec): string {
  if (!ways.includes('url')) return 'no addresses';
  if (asks) return 'asked for, kept by the client; or a variable';
  return env ? 'a variable' : 'in the file, 0600';
}

function row(spec: ClientSpec): string {
  const ways = spec.ways.includes('url') ? 'stdio, ssh, url' : 'stdio, ssh';
  return `| \`${spec.id}\` | ${spec.title} | ${files(spec)} | ${ways} | ${token(spec)} | ${spec.source} |`;
}

const named = (id: string) => CLIENTS.find((c) => c.id === id) as ClientSpec;

export function connectPage(): string {
  const ssh = bySsh('nas', { options: [], deckhand: 'deckhand', narrowing: NONE });
  const url = byUrl('https://nas.tail1234.ts.net/mcp', null, NONE);
  return `# Clients

<!-- Made by \`npm run gen\` from src/setup/clients/. -->

\`deckhand client add CLIENT\` enters Deckhand into the client's own settings, in the client's own form:

\`\`\`
deckhand client list                                                   which are here, and which know Deckhand
deckhand client add claude-code                                        launched on this host
deckhand client add cursor --ssh root@nas                              launched on another one, through ssh
deckhand client add vscode --url https://nas.tail1234.ts.net/mcp       a server that runs
deckhand client print zed --ssh nas                                    what to paste, and where; changes nothing
deckhand client remove cursor --name deckhand-nas
deckhand client undo cursor
\`\`\`

\`--dry-run\` shows the lines first. \`--toolsets core,docker\` and \`--read-only\` narrow what this client sees; the host's settings stay the bound.
\`--scope project\` writes the file of the folder you are in, \`--config FILE\` one that lies elsewhere, \`--name\` another name than \`deckhand\` or
\`deckhand-HOST\`. \`--json\` is for scripts.

## What is done to your file

- Lines are added, none changes: comments, order, tabs, line ends, a byte order mark and a missing last line end stay. Where an object is written
  on one line, that line is added to.
- It is read before and after: if anything but the entry would read differently, nothing is written. So with a file that cannot be read (line
  and column are named) or that another program has changed meanwhile.
- It is replaced in one step, with owner and permissions kept; behind a symbolic link its target is. Extended attributes are not kept.
- Entered twice, nothing changes. Another entry of that name is left alone without \`--replace\`.
- The bytes from before are kept for \`client undo\`, ten changes back, for you alone: \`~/.local/state/deckhand/clients\`, on macOS
  \`~/Library/Application Support/Deckhand/clients\`, on Windows \`%LOCALAPPDATA%\\Deckhand\\clients\`. \`undo\` works while the file is as Deckhand left
  it; \`remove\` always takes out the entry alone.
- A client that writes its own file while it runs (Claude Code does) may write over it: quit it first. Claude Code can also do it itself;
  \`client print claude-code\` says the line. The file is written here, and not that command run, because only so there is a dry run, a way back
  and no need of \`claude\` on the PATH.

## Tokens

Only with \`--url\`, and never as an argument, where everybody on the machine could read it: \`--token-env NAME\`, \`--token-file FILE\`, or \`--token -\`
for standard input. Where the client can name a variable or ask for a secret, the token is **not** in the file; you are told which variable to
set. Where it cannot, the token is written, the file is for you alone from then on (0600; on Windows by
the rights of your profile's folder), and a project's file is refused. Without a token the
server asks for OAuth ([auth.md](auth.md)), or the tailnet says who you are ([tailnet.md](tailnet.md)).

## On macOS and Windows

Deckhand serves Linux hosts; \`client\`, \`help\` and \`version\` also run elsewhere, with Node ^24.15 or >=26.1 and a checkout that was built: \`node
bin/deckhand.mjs client add cursor --ssh root@nas\`. They ask nothing of Linux. Tested so far on Linux made to look like the other two: a report
from a real one is welcome.

ssh must work without a question there: \`ssh -o BatchMode=yes root@nas deckhand version\` has to answer. Options go by \`--ssh-option Port=2222\`, or better
into \`~/.ssh/config\`; \`--deckhand PATH\` where the command is not on the far PATH.

## Which

| CLIENT | | file | ways | token | read from |
|---|---|---|---|---|---|
${CLIENTS.map(row).join('\n')}

With \`$XDG_CONFIG_HOME\`, \`$CLAUDE_CONFIG_DIR\` or \`$CODEX_HOME\` set, those are followed. Claude Desktop's file starts programs only: use \`--ssh\`, or
where a server can be reached from the internet with OAuth, its Settings, Connectors. Formats change: each row names the page it was read from.

## By hand

Most clients read this (\`client print generic --ssh nas\`):

\`\`\`json
${printed(named('generic'), 'deckhand-nas', ssh)}\`\`\`

and for a server that runs (\`--url\`):

\`\`\`json
${printed(named('generic'), 'deckhand-nas', url)}\`\`\`

Codex:

\`\`\`toml
${printed(named('codex'), 'deckhand-nas', byUrl('https://nas.lan:7070/mcp', { env: 'NAS_TOKEN' }, NONE))}\`\`\`

goose:

\`\`\`yaml
${printed(named('goose'), 'deckhand-nas', ssh)}\`\`\`
`;
}
