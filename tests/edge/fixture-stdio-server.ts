/** The stdio face over the fixture door, as a process. Records go to stderr as lines of JSON; SIGTERM asks it to stop. */
import { serveStdioFace } from '../../src/edge/stdio.ts';
import { fixtureDoor, quiet, who } from './fixture-door.ts';
import { stage } from './fixture-tools.ts';

const { door, records } = fixtureDoor();
const push = records.push.bind(records);
const tell = (what: object) => process.stderr.write(`${JSON.stringify(what)}\n`);
records.push = (...r) => {
  for (const { call: _, ...rest } of r) tell(rest);
  return push(...r);
};
stage.started = () => {
  tell({ started: true });
  process.stdout.write('a stray print\n');
};
const ms = Number(process.argv[2] ?? 0);
// Each call takes so long.
// biome-ignore lint/suspicious/noThenProperty: a wait that begins anew for each call
stage.finish = { then: (resolve: () => void) => setTimeout(resolve, ms) } as unknown as Promise<void>;

const face = serveStdioFace({
  whole: async () => ({ door, log: quiet }),
  principal: who('stdio:1000', ['system:read', 'logs:read', 'docker:write'], { kind: 'stdio' }),
  info: { hostname: 'box', kind: 'lxc', version: '0.1.0' },
});
process.once('SIGTERM', () => void face.close());
await face.done;
tell({ done: true });
