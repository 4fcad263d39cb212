/** Clients that are used at a terminal, one row each; of the table in catalog.ts. */
import { ALL, common, dollar, everywhere, headers } from './shapes.ts';
import type { ClientSpec } from './spec.ts';

export const AT_TERMINALS: readonly ClientSpec[] = [
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
    project: '.agents/mcp_config.json',
    marker: '{home}/.gemini',
    ways: ALL,
    env: null,
    entry: common(null, { url: 'serverUrl' }),
    next: 'It holds from the next session; /mcp shows it.',
    source: 'antigravity.google: MCP; the setup guides of other servers for `agy`',
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
];
