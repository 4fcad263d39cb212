/**
 * Compose projects: found by the labels that compose leaves on its containers, changed by `docker compose` itself with a fixed argument
 * list. Decides what an argument may be; whether the project may be changed, and what its config may hold, is decided above.
 */
import { statSync } from 'node:fs';
import { normalize } from 'node:path';
import type { Stack, StackHost } from '../../core/docker.ts';
import { STACK_NAME } from '../../core/docker_refs.ts';
import { OpsError } from '../../core/errors.ts';
import type { Reading } from '../../core/host.ts';
import type { Exec } from '../exec.ts';
import { summaryOf } from './container_records.ts';
import type { Choose } from './containers.ts';
import type { Found } from './endpoint.ts';
import { records } from './said.ts';

const LABEL = 'com.docker.compose';
const MOST_FILES = 16;
const MOST_OUTPUT = 4 * 1024 * 1024;
const COMPOSE_KNOWN_MS = 600_000;

/** Each verb with the only arguments that it ever gets. */
const VERBS = {
  config: ['config', '--format', 'json'],
  up: ['up', '--detach', '--no-build', '--no-color'],
  pull: ['pull', '--ignore-buildable'],
  down: ['down'],
} as const;

export interface ComposeOptions {
  exec: Exec;
  has(): boolean;
  elapsed(): number;
}

export function stackAdapter(choose: Choose, o: ComposeOptions): StackHost {
  return {
    async list(to) {
      const said = await choose(to).ask(
        (docker) => docker.listContainers({ all: true, filters: { label: [`${LABEL}.project`] } }),
        to,
      );
      return stacksOf(records(said).map(summaryOf));
    },

    async compose(project, verb, to) {
      const { found } = choose(to);
      if (!o.has()) throw noCompose();
      const ran = await o.exec({
        binary: 'docker',
        args: [...engineFlags(found), 'compose', ...projectFlags(project), ...VERBS[verb]],
        timeoutMs: to.timeoutMs,
        maxBytes: MOST_OUTPUT,
        ...(to.signal ? { signal: to.signal } : {}),
        ...(to.onLine ? { onLine: to.onLine } : {}),
      });
      if (ran.code !== 0 && /is not a docker command|unknown (?:shorthand )?flag/.test(ran.stderr)) throw noCompose();
      return { code: ran.code ?? -1, out: ran.stdout, err: ran.stderr };
    },
  };
}

const noCompose = () =>
  new OpsError('unavailable', 'This host has no compose plugin for Docker’s command line.', {
    hint: 'Install docker-compose-v2 or docker-compose-plugin (with the docker CLI) on the host where Deckhand runs.',
  });

export function stacksOf(containers: readonly ReturnType<typeof summaryOf>[]): Stack[] {
  const byName = Map.groupBy(containers, (c) => c.labels[`${LABEL}.project`] ?? '');
  return [...byName]
    .filter(([name]) => name !== '')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, all]) => {
      const label = (key: string) => all.map((c) => c.labels[`${LABEL}.${key}`]).find((v) => v !== undefined);
      const services = Map.groupBy(all, (c) => c.labels[`${LABEL}.service`] ?? c.name);
      return {
        name,
        configFiles: (label('project.config_files') ?? '').split(',').filter((f) => f !== ''),
        workingDir: label('project.working_dir') ?? null,
        services: [...services]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([service, list]) => ({
            name: service,
            containers: list
              .map((c) => ({ id: c.id, name: c.name, state: c.state, health: c.health, image: c.image }))
              .sort((a, b) => (a.name < b.name ? -1 : 1)),
          })),
      };
    });
}

function engineFlags({ endpoint, certPath }: Found): string[] {
  const host = endpoint.startsWith('/') ? `unix://${endpoint}` : endpoint;
  const tls =
    certPath === null
      ? []
      : [
          '--tlsverify',
          ...['--tlscacert', `${certPath}/ca.pem`],
          ...['--tlscert', `${certPath}/cert.pem`],
          ...['--tlskey', `${certPath}/key.pem`],
        ];
  return ['--host', host, ...tls];
}

/** What labels say becomes arguments: plain absolute paths of files that are there, or nothing. */
function projectFlags(project: Stack): string[] {
  const refuse = (why: string) =>
    new OpsError('validation', `This project cannot be used: ${why}.`, {
      hint: 'Its containers must carry the labels of compose, and its files must be on the host where Deckhand runs.',
    });
  if (!STACK_NAME.test(project.name)) throw refuse('its name is none that compose gives');
  const plain = (path: string) => path.startsWith('/') && normalize(path) === path && !/\p{Cc}/u.test(path);
  if (project.configFiles.length === 0) throw refuse('no label names its files');
  if (project.configFiles.length > MOST_FILES) throw refuse('it has too many files');
  for (const file of project.configFiles) {
    if (!plain(file)) throw refuse('a file is not named by a plain absolute path');
    if (!statSync(file, { throwIfNoEntry: false })?.isFile()) throw refuse(`${file} is not there`);
  }
  if (project.workingDir !== null && !plain(project.workingDir)) throw refuse('its folder is no plain absolute path');
  return [
    ...['--ansi', 'never', '--progress', 'plain', '--project-name', project.name],
    ...(project.workingDir === null ? [] : ['--project-directory', project.workingDir]),
    ...project.configFiles.flatMap((file) => ['--file', file]),
  ];
}

/** The version of the plugin, asked for seldom. */
export function composeVersion(o: ComposeOptions): () => Promise<Reading<string>> {
  let kept: { at: number; is: Reading<string> } | null = null;
  return async () => {
    if (kept && o.elapsed() - kept.at < COMPOSE_KNOWN_MS) return kept.is;
    const is = await ask(o);
    kept = { at: o.elapsed(), is };
    return is;
  };
}

async function ask(o: ComposeOptions): Promise<Reading<string>> {
  if (!o.has()) return { value: null, why: 'The docker command line is not installed on this host.' };
  try {
    const args = ['compose', 'version', '--short'];
    const ran = await o.exec({ binary: 'docker', args, timeoutMs: 5_000, maxBytes: 64 * 1024 });
    const version = /^v?(\d[\w.+~-]{0,40})\s*$/.exec(ran.stdout)?.[1];
    if (ran.code === 0 && version) return { value: version };
    return { value: null, why: 'The docker command line has no compose plugin.' };
  } catch (thrown) {
    return { value: null, why: thrown instanceof OpsError ? thrown.message : 'The docker command line failed.' };
  }
}
