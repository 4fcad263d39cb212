/**
 * One update of a container, with the engine killed (SIGKILL, and all that it runs with it) at one of the requests to it, and back either
 * while the tool is still at it or only after it has given up. Then: is the old container running, or the new one with the update's word for it; else,
 * does the next call name what stands there, and does its hint put the old one back?
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DockerHost } from '../../src/core/docker.ts';
import type { Tool } from '../../src/core/tool.ts';
import { dockerAt } from '../../src/host/docker/index.ts';
import { containerUpdate } from '../../src/tools/container_update.ts';
import { undo } from '../../src/tools/undo.ts';
import { fakeControl } from '../fakes/control.ts';
import { fakeHost } from '../fakes/host.ts';
import { callOf, rig, who } from '../fakes/policy.ts';
import { importImage, type LabEngine, labSettings, realClock, until } from './engine.ts';

export interface Killing {
  /** The nth request to the engine, from 1, or the first such; null: none, to see how many there are. */
  at: number | string | null;
  /** Before the engine has it, as it is at it, or when it has done it and nobody has heard. */
  when: 'before' | 'during' | 'after';
  /** Back while the tool is at it, or only after it has ended. */
  back: 'soon' | 'late';
}

export interface Killed {
  /** `POST /containers/app/stop`: what was asked when it was killed. */
  step: string;
  asked: string[];
  /** How the update itself ended. */
  told: string;
  /** How it came to be right: by itself, by the update's success, or by what a call said. */
  end: 'old' | 'new' | 'named' | 'LOST';
  /** Empty: as it should be. */
  wrong: string[];
}

const APP = '127.0.0.1:5000/killed:1';
const CMD = 'CMD ["sh","-c","trap \\"exit 0\\" TERM; while :; do sleep 0.1; done"]';
const keeper = who('token:keeper', ['docker:write']);

export async function killedUpdate(lab: LabEngine, mark: string, kill: Killing): Promise<Killed> {
  await importImage(lab, APP, [CMD], `${mark} old`);
  await lab.docker(['push', APP]);
  const flags = ['--restart', 'always', '-p', '8099:80', '-v', '/anon', '--label', 'own=yes'];
  const old = (await lab.docker(['run', '-d', '--name', 'app', ...flags, APP])).out.trim();
  await lab.docker(['exec', 'app', 'sh', '-c', 'echo mine > /anon/file; echo own > /tmp/own']);
  await importImage(lab, APP, [CMD], `${mark} new`);
  await lab.docker(['push', APP]);

  const asked: string[] = [];
  let step = '-';
  let down = false;
  let death: Promise<void> = Promise.resolve();
  let back: Promise<void> = Promise.resolve();
  const slow = globalThis.setTimeout;
  const dies = async () => {
    down = true;
    // Nothing can come of waiting now: the tool's patience need not be ours.
    if (kill.back === 'late')
      globalThis.setTimeout = ((run: () => void, ms = 0, ...rest: []) =>
        slow(run, Math.min(ms, 20), ...rest)) as typeof setTimeout;
    death = lab.kill();
    await death;
    if (kill.back === 'soon') back = returns(lab);
  };
  const relay = await relayTo(lab.socket, async (req, pass) => {
    const name = `${req.method} ${plain(req.url ?? '')}`;
    asked.push(name);
    if (down || (kill.at !== asked.length && kill.at !== name)) return pass();
    step = name;
    if (kill.when === 'before') await dies();
    else if (kill.when === 'during') await Promise.all([pass('unheard'), dies()]);
    else await pass('unheard').then(dies);
    return null;
  });
  const docker = dockerAt({ settings: labSettings(`unix://${relay.socket}`), clock: realClock });
  const call = house(docker);
  const settings = { container: 'app', within_s: 15 };
  const out = await call('container_update', settings).finally(() => {
    globalThis.setTimeout = slow;
  });
  await death;
  if (down && kill.back === 'late') back = returns(lab);
  await back;

  const result: Killed = { step, asked, told: '', end: 'LOST', wrong: [] };
  const body = (out.status === 'failed' ? {} : out.data) as { state?: string; summary?: string; receipt?: string };
  result.told = out.status === 'failed' ? `failed: ${out.error.code}` : `${body.state}`;
  const now = async () => {
    const { out: rows } = await lab.docker(['ps', '-a', '--no-trunc', '--format', '{{.ID}} {{.Names}} {{.State}}']);
    return rows
      .trim()
      .split('\n')
      .filter(Boolean)
      .map((row) => {
        const [id = '', name = '', state = ''] = row.split(' ');
        return { id, name, state };
      });
  };
  const app = async () => (await now()).find((c) => c.name === 'app');
  const isOld = async () => {
    const all = await now();
    return all.length === 1 && all[0]?.id === old && all[0].name === 'app' && all[0].state === 'running';
  };
  try {
    if ((await now()).every((c) => c.id !== old)) result.wrong.push('the old container is gone');
    else if (await isOld()) result.end = 'old';
    else if (body.state === 'done' && (await app())?.state === 'running') result.end = 'new';
    else if (body.state === 'done') {
      // The engine came back and started the kept one, whose policy it had not heard to forget: the update said so, and its undo helps.
      const { summary = '', receipt } = body;
      if (!summary.includes('could not be switched off')) result.wrong.push(`not told: ${summary}`);
      const undone = await call('undo', { receipt });
      if (undone.status === 'failed') result.wrong.push(`undo: ${undone.error.message}`);
      if (await isOld()) result.end = 'named';
    } else {
      // What the next call says, and what it says to do.
      const next = await call('container_update', settings);
      const said =
        next.status === 'failed' ? `${next.error.message} ${next.error.details.hint ?? ''}` : JSON.stringify(next);
      const receipt = /undo \{"receipt":"(t_[a-z2-7]+)"\}/.exec(said)?.[1];
      if (receipt !== undefined) {
        const undone = await call('undo', { receipt });
        if (undone.status === 'failed') result.wrong.push(`undo: ${undone.error.message}`);
      } else if (/with container_control/.test(said)) {
        const { code, err } = await lab.docker(['start', 'app'], { mayFail: true });
        if (code !== 0) result.wrong.push(`start: ${err.trim()}`);
      }
      if (await isOld()) result.end = 'named';
      else result.wrong.push(`${JSON.stringify(await now())} after: ${said}`);
    }
    if (result.end === 'old' || result.end === 'named') {
      const { out: kept } = await lab.docker(['exec', 'app', 'cat', '/anon/file', '/tmp/own', '/etc/mark']);
      if (kept !== `mine\nown\n${mark} old`) result.wrong.push(`what it had written is ${JSON.stringify(kept)}`);
      const { out: policy } = await lab.docker(['inspect', '-f', '{{.HostConfig.RestartPolicy.Name}}', 'app']);
      if (policy.trim() !== 'always') result.wrong.push(`its restart policy is ${policy.trim()}`);
    }
  } finally {
    const ids = (await now()).map((c) => c.id);
    if (ids.length > 0) await lab.docker(['rm', '-f', '-v', ...ids], { mayFail: true });
    docker.close();
    await relay.close();
  }
  return result;
}

/** Up again, its registry too, and no container on the way to somewhere. */
async function returns(lab: LabEngine): Promise<void> {
  await lab.start();
  await lab.registry();
  await until('the containers have settled', async () => {
    const { out } = await lab.docker(['ps', '-a', '--format', '{{.State}}']);
    return !/restarting|removing/.test(out);
  });
}

/** The same in every run: without the version, ids and the query. */
const plain = (url: string) =>
  (url.split('?')[0] ?? '')
    .replace(/^\/v1\.\d+/, '')
    .replaceAll(/sha256:[0-9a-f]{64}/g, 'IMAGE')
    .replaceAll(/[0-9a-f]{64}/g, 'ID');

type Pass = (how?: 'unheard') => Promise<null>;

/** Between the adapter and the engine; where nothing is passed on, the connection breaks. */
async function relayTo(engine: string, each: (req: IncomingMessage, pass: Pass) => Promise<null>) {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-relay-'));
  const socket = join(dir, 'relay.sock');
  const server = createServer((req, res) => {
    const pass: Pass = async (how) => {
      const { promise, resolve } = Promise.withResolvers<null>();
      const { method = '', url = '', headers } = req;
      const on = request({ socketPath: engine, method, path: url, headers }, (answer) => {
        if (how === 'unheard') answer.resume();
        else heard(answer, res);
        answer.on('error', () => res.destroy());
        answer.on('close', () => resolve(null));
      });
      on.on('error', () => {
        res.destroy();
        resolve(null);
      });
      res.on('close', () => on.destroy());
      req.pipe(on);
      return promise;
    };
    void each(req, pass).then(() => res.writableEnded || res.destroy());
  });
  await new Promise<void>((done) => server.listen(socket, done));
  return {
    socket,
    async close() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
      rmSync(dir, { recursive: true });
    },
  };
}

function heard(answer: IncomingMessage, res: ServerResponse): void {
  res.writeHead(answer.statusCode ?? 502, answer.headers);
  answer.pipe(res);
}

function house(docker: DockerHost) {
  const r = rig({
    catalog: { tools: [containerUpdate, undo] as Tool[], resources: [], prompts: [] },
    context: {
      host: { ...fakeHost(), docker, control: fakeControl({ allow: ['app'] }) },
      recent: () => [],
      recentProcesses: () => null,
      absent: () => [],
    },
  });
  Object.assign(r.policy.clock, { now: Date.now });
  return (tool: string, args: object) => r.door.run(callOf(tool, args, { principal: keeper }));
}
