/** The product's own commands (stdio, serve, call) over the tools of work_tools.ts: only the catalog differs. */
import { createApp } from '../../src/app.ts';
import type { Run } from '../../src/cli/commands.ts';
import { dispatch } from '../../src/cli/main.ts';
import { onSignals } from '../../src/cli/signals.ts';
import { terminal } from '../../src/cli/terminal.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createLog } from '../../src/log.ts';
import { workCatalog } from './work_tools.ts';

const [command = '', ...words] = process.argv.slice(2);
const io = terminal(process.stdout, process.stderr, { noColor: true, columns: null });
const loaded = loadConfig({ flags: {} });
const input: Run = {
  own: { json: true },
  positionals: words.slice(0, 1),
  rest: words.slice(1),
  io,
  signal: onSignals({ hangup: false }).signal,
  load: async () => loaded,
  async open(role) {
    const settings = await loaded;
    const log = createLog({ ...settings.config.log, level: 'warn' });
    const catalog = workCatalog(process.env.TEST_STAGE as string);
    return createApp({ loaded: settings, log, role, version: 'test', catalog });
  },
};
const does = {
  stdio: async () => (await import('../../src/cli/stdio.ts')).run,
  serve: async () => (await import('../../src/cli/serve.ts')).run,
  call: async () => (await import('../../src/cli/call.ts')).run,
}[command];
const code = does ? await (await does())(input) : await dispatch(process.argv.slice(2), io);
await io.flushed();
process.exit(code);
