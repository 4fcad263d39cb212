/**
 * The clients, one row each: file, way, shape of the entry. Everything else (editing, help, docs/connect.md) is made from these rows. Each
 * was written from the page named in it; fields that a client would fill in by itself are left out.
 */
import { bearer, type ClientSpec, type Entry, type Platform, type Reach, type WayName } from './spec.ts';

const ALL: readonly WayName[] = ['stdio', 'ssh', 'url'];
const everywhere = (...paths: string[]): Record<Platform, readonly string[]> => ({
  linux: paths,
  darwin: paths,
  win32: paths,
});
const perApp = (path: string): Record<Platform, readonly string[]> => ({
  linux: [`{config}/${path}`],
  darwin: [`{support}/${path}`],
  win32: [`{appdata}/${path}`],
});

type Env = ClientSpec['env'];
const dollar = (name: string) => `\${${name}}`;
const dollarEnv = (name: string) => `\${env:${name}}`;

const headers = (reach: Extract<Reach, { kind: 'url' }>, env: Env): Entry =>
  reach.token ? { headers: { Authorization: bearer(reach.token, env) } } : {};

/** The common form: `command` and `args`, or an address under some name, with some words before it. */
function common(env: Env, { url, command = {}, http = {} }: { url: string; command?: Entry; http?: Entry }) {
  return (reach: Reach): Entry =>
    reach.kind === 'command'
      ? { ...command, command: reach.command, args: reach.args }
      : { ...http, [url]: reach.url, ...headers(reach, env) };
}

const vscode = {
  format: 'jsonc',
  container: ['servers'],
  ways: ALL,
  env: dollarEnv,
  asks: true,
  entry: common(dollarEnv, { url: 'url', command: { type: 'stdio' }, http: { type: 'http' } }),
  beside: (reach: Reach) =>
    reach.kind === 'url' && reach.token && 'ask' in reach.token
      ? [
          {
            spot: { container: ['inputs'], id: reach.token.ask },
            value: {
              type: 'promptString',
              id: reach.token.ask,
              description: `Deckhand: token for ${reach.url}`,
              password: true,
            },
          },
        ]
      : [],
  source: 'code.visualstudio.com: MCP configuration reference',
} as const satisfies Partial<ClientSpec>;

export const CLIENTS: readonly ClientSpec[] = [
  {
    id: 'claude-code',
    title: 'Claude Code',
    format: 'jsonc',
    container: ['mcpServers'],
    user: everywhere('{claude}/.claude.json'),
    project: '.mcp.json',
    marker: '{claudedir}',
    ways: ALL,
    env: dollar,
    entry: (reach) => ({
      ...common(dollar, { url: 'url', command: { type: 'stdio' }, http: { type: 'http' } })(reach),
      ...(reach.kind === 'command' ? { env: {} } : {}),
    }),
    next: 'It holds from the next session; /mcp shows it. One of a project must be approved there once.',
    source: 'code.claude.com: Connect Claude Code to tools via MCP',
  },
  {
    id: 'claude-desktop',
    title: 'Claude Desktop',
    format: 'jsonc',
    container: ['mcpServers'],
    user: perApp('Claude/claude_desktop_config.json'),
    project: null,
    // An address is entered in its own Settings, Connectors; its file starts programs only.
    ways: ['stdio', 'ssh'],
    env: null,
    entry: common(null, { url: 'url' }),
    next: 'Quit and start Claude Desktop again.',
    source: 'modelcontextprotocol.io: Connect to local MCP servers',
  },
  {
    ...vscode,
    id: 'vscode',
    title: 'VS Code',
    user: perApp('Code/User/mcp.json'),
    project: '.vscode/mcp.json',
    next: 'Start it from the file, or by “MCP: List Servers”.',
  },
  {
    ...vscode,
    id: 'vscode-insiders',
    title: 'VS Code Insiders',
    user: perApp('Code - Insiders/User/mcp.json'),
    project: '.vscode/mcp.json',
    next: 'Start it from the file, or by “MCP: List Servers”.',
  },
  {
    id: 'cursor',
    title: 'Cursor',
    format: 'jsonc',
    container: ['mcpServers'],
    user: everywhere('{home}/.cursor/mcp.json'),
    project: '.cursor/mcp.json',
    ways: ALL,
    env: dollarEnv,
    entry: common(dollarEnv, { url: 'url', command: { type: 'stdio' } }),
    next: 'Switch it on under Customize, MCPs.',
    source: 'cursor.com: Model Context Protocol (MCP)',
  },
  {
    id: 'codex',
    title: 'Codex',
    format: 'toml',
    container: ['mcp_servers'],
    user: everywhere('{codex}/config.toml'),
    project: '.codex/config.toml',
    ways: ALL,
    // Refuses a token in the file; it takes the name of a variable alone.
    env: (name) => name,
    entry: (reach) =>
      reach.kind === 'command'
        ? { command: reach.command, args: reach.args, tool_timeout_sec: 120 }
        : {
            url: reach.url,
            ...(reach.token && 'env' in reach.token ? { bearer_token_env_var: reach.token.env } : {}),
            tool_timeout_sec: 120,
          },
    next: 'It holds from the next session; /mcp shows it.',
    source: 'developers.openai.com: Codex, Model Context Protocol',
  },
  {
    id: 'zed',
    title: 'Zed',
    format: 'jsonc',
    container: ['context_servers'],
    user: {
      linux: ['{config}/zed/settings.json'],
      darwin: ['{home}/.config/zed/settings.json'],
      win32: ['{appdata}/Zed/settings.json'],
    },
    project: '.zed/settings.json',
    ways: ALL,
    env: null,
    entry: common(null, { url: 'url', command: { source: 'custom' } }),
    next: 'Zed takes it when the file is saved; the Agent Panel’s settings show it.',
    source: 'zed.dev: Model Context Protocol',
  },
  {
    id: 'gemini-cli',
    title: 'Gemini CLI',
    format: 'jsonc',
    container: ['mcpServers'],
    user: everywhere('{home}/.gemini/settings.json'),
    project: '.gemini/settings.json',
    ways: ALL,
    env: dollar,
    entry: common(dollar, { url: 'httpUrl' }),
    next: 'It holds from the next session; /mcp shows it.',
    source: 'geminicli.com: MCP servers with Gemini CLI; Gemini CLI configuration',
  },
  {
    id: 'antigravity',
    title: 'Antigravity',
    format: 'jsonc',
    container: ['mcpServers'],
    user: everywhere('{home}/.gemini/config/mcp_config.json'),
    project: null,
    marker: '{home}/.gemini',
    ways: ALL,
    env: null,
    entry: common(null, { url: 'serverUrl' }),
    next: 'It holds from the next session; /mcp shows it.',
    source: 'antigravity.google: MCP; the setup guides of other servers for `agy`',
  },
  {
    id: 'windsurf',
    title: 'Windsurf',
    format: 'jsonc',
    container: ['mcpServers'],
    user: everywhere('{home}/.codeium/windsurf/mcp_config.json'),
    project: null,
    ways: ALL,
    env: dollarEnv,
    entry: common(dollarEnv, { url: 'serverUrl' }),
    next: 'Press refresh in Cascade’s list of MCP servers.',
    source: 'docs.windsurf.com: Cascade, Model Context Protocol',
  },
  {
    id: 'goose',
    title: 'goose',
    format: 'yaml',
    container: ['extensions'],
    user: {
      linux: ['{config}/goose/config.yaml'],
      darwin: ['{home}/.config/goose/config.yaml'],
      win32: ['{appdata}/Block/goose/config/config.yaml'],
    },
    project: null,
    ways: ALL,
    env: dollar,
    entry: (reach, name) => ({
      enabled: true,
      name,
      description: 'Sees and operates a Linux host.',
      timeout: 300,
      ...(reach.kind === 'command'
        ? { type: 'stdio', cmd: reach.command, args: reach.args }
        : {
            type: 'streamable_http',
            uri: reach.url,
            ...(reach.token && 'env' in reach.token ? { env_keys: [reach.token.env] } : {}),
            ...headers(reach, dollar),
          }),
    }),
    next: 'It holds from the next session.',
    source: 'goose: Configuration Files; pull request 5439 (variables in headers)',
  },
  {
    id: 'cline',
    title: 'Cline',
    format: 'jsonc',
    container: ['mcpServers'],
    user: everywhere('{home}/.cline/data/settings/cline_mcp_settings.json'),
    project: null,
    marker: '{home}/.cline',
    ways: ALL,
    env: null,
    entry: common(null, { url: 'url', http: { type: 'streamableHttp' } }),
    next: 'The MCP Servers view shows it.',
    source: 'docs.cline.bot: Configuration; MCP overview',
  },
  {
    id: 'roo-code',
    title: 'Roo Code',
    format: 'jsonc',
    container: ['mcpServers'],
    user: perApp('Code/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json'),
    project: '.roo/mcp.json',
    ways: ALL,
    // Its page names variables for `args` alone.
    env: null,
    entry: common(null, { url: 'url', http: { type: 'streamable-http' } }),
    next: 'The MCP settings view shows it.',
    source: 'docs.roocode.com: Using MCP in Roo Code',
  },
  {
    id: 'opencode',
    title: 'OpenCode',
    format: 'jsonc',
    // The form of version 1, which version 2 reads as well.
    container: ['mcp'],
    user: everywhere('{config}/opencode/opencode.json', '{config}/opencode/opencode.jsonc'),
    project: 'opencode.json',
    ways: ALL,
    env: (name) => `{env:${name}}`,
    entry: (reach) =>
      reach.kind === 'command'
        ? { type: 'local', command: [reach.command, ...reach.args], enabled: true }
        : { type: 'remote', url: reach.url, ...headers(reach, (name) => `{env:${name}}`), enabled: true },
    next: 'It holds from the next start.',
    source: 'opencode.ai: MCP servers; Migrate from V1',
  },
  {
    id: 'amp',
    title: 'Amp',
    format: 'jsonc',
    container: ['amp.mcpServers'],
    user: {
      linux: ['{config}/amp/settings.json', '{config}/amp/settings.jsonc'],
      darwin: ['{home}/.config/amp/settings.json', '{home}/.config/amp/settings.jsonc'],
      win32: ['{home}/.config/amp/settings.json', '{home}/.config/amp/settings.jsonc'],
    },
    project: '.amp/settings.json',
    ways: ALL,
    env: dollar,
    entry: common(dollar, { url: 'url' }),
    next: 'It holds from the next start. One of a project must be approved: amp mcp approve NAME',
    source: 'ampcode.com: Owner’s Manual, MCP and settings files',
  },
  {
    id: 'copilot-cli',
    title: 'GitHub Copilot CLI',
    format: 'jsonc',
    container: ['mcpServers'],
    user: everywhere('{home}/.copilot/mcp-config.json'),
    project: '.github/mcp.json',
    ways: ALL,
    env: dollar,
    entry: (reach) => ({
      ...common(dollar, { url: 'url', command: { type: 'local' }, http: { type: 'http' } })(reach),
      tools: ['*'],
    }),
    next: 'It holds from the next session; /mcp show lists it.',
    source: 'docs.github.com: Copilot CLI, Add MCP servers; github-mcp-server: Install in Copilot CLI',
  },
  {
    id: 'lm-studio',
    title: 'LM Studio',
    format: 'jsonc',
    container: ['mcpServers'],
    user: everywhere('{home}/.lmstudio/mcp.json'),
    project: null,
    ways: ALL,
    env: null,
    entry: common(null, { url: 'url' }),
    next: 'LM Studio takes it when the file is saved.',
    source: 'lmstudio.ai: Use MCP Servers',
  },
  {
    id: 'junie',
    title: 'JetBrains Junie',
    format: 'jsonc',
    container: ['mcpServers'],
    user: everywhere('{home}/.junie/mcp/mcp.json'),
    project: '.junie/mcp/mcp.json',
    marker: '{home}/.junie',
    ways: ALL,
    env: null,
    entry: common(null, { url: 'url' }),
    next: 'Settings, Tools, Junie, MCP Settings shows it. Older ones take a command only, no address.',
    source: 'junie.jetbrains.com: MCP configuration; jetbrains.com: Junie, Model Context Protocol',
  },
  {
    id: 'kiro',
    title: 'Kiro',
    format: 'jsonc',
    container: ['mcpServers'],
    user: everywhere('{home}/.kiro/settings/mcp.json'),
    project: '.kiro/settings/mcp.json',
    marker: '{home}/.kiro',
    ways: ALL,
    env: dollar,
    entry: common(dollar, { url: 'url' }),
    next: 'Kiro connects when the file is saved; a variable must be approved there once.',
    source: 'kiro.dev: MCP, Configuration',
  },
  {
    id: 'crush',
    title: 'Crush',
    format: 'jsonc',
    container: ['mcp'],
    user: {
      linux: ['{config}/crush/crush.json'],
      darwin: ['{config}/crush/crush.json'],
      win32: ['{localappdata}/crush/crush.json'],
    },
    project: '.crush.json',
    ways: ALL,
    // The whole value is one command of a shell, as its page has it.
    env: (name) => `$${name}`,
    entry: (reach) =>
      reach.kind === 'command'
        ? { type: 'stdio', command: reach.command, args: reach.args }
        : {
            type: 'http',
            url: reach.url,
            ...(reach.token && 'env' in reach.token
              ? { headers: { Authorization: `$(echo Bearer $${reach.token.env})` } }
              : {}),
          },
    next: 'It holds from the next start.',
    source: 'charmbracelet/crush: README, MCPs',
  },
  {
    id: 'qwen-code',
    title: 'Qwen Code',
    format: 'jsonc',
    container: ['mcpServers'],
    user: everywhere('{home}/.qwen/settings.json'),
    project: '.qwen/settings.json',
    ways: ALL,
    env: dollar,
    entry: common(dollar, { url: 'httpUrl' }),
    next: 'It holds from the next session; qwen mcp list shows it.',
    source: 'qwenlm.github.io: Connect Qwen Code to tools via MCP; settings',
  },
  {
    id: 'generic',
    title: 'any other',
    format: 'jsonc',
    container: ['mcpServers'],
    // Only to be printed, or with --config.
    user: null,
    project: null,
    ways: ALL,
    env: null,
    entry: common(null, { url: 'url', http: { type: 'http' } }),
    next: 'Start the client again.',
    source: 'what most clients read',
  },
];
