/**
 * Causes that lie beside a container: what it depends on, and what its own log says that it could not have. Decides when a dependency
 * counts as missed, and that a log speaks only for what is down or ill.
 */
import type { ContainerSummary } from '../core/docker.ts';
import { clip } from '../core/text.ts';
import {
  type ContainerFacts,
  type Dependency,
  INSPECT,
  LONG,
  line,
  type Row,
  type Said,
  type Seen,
  stopped,
  words,
} from './causes_seen.ts';
import { type Trouble, troubleIn } from './container_said.ts';
import { stackOf } from './containers.ts';
import type { CauseHit } from './diagnose.ts';

const inLog = (what: Trouble) => (s: Said) => troubleIn(s.text) === what;

/** Its own log says so, and it is down or ill. Where the engine refused the last start, the log is that of an earlier run. */
const logged = (row: Omit<Row, 'test'>, what: Trouble): Row => ({
  ...row,
  test: (f) => {
    const ill = f.down || f.c.health === 'unhealthy';
    const hit = ill && f.c.error === '' ? f.log?.find(inLog(what)) : undefined;
    return hit ? { certainty: stopped(f) ? 'possible' : 'likely', evidence: [line(hit)] } : null;
  },
});

export const BESIDE: readonly Row[] = [
  {
    id: 'dependency_down',
    when: 'it shares the network of a container that is not there; or a service that its stack waits for (depends_on) is down or unhealthy, likely where its log tells of refused connections or it never started',
    sentence: 'A container that it depends on is down.',
    next: 'diagnose {"problem":"down","target":"container:{AT}{OTHER}"}',
    test: dependency,
  },
  logged(
    {
      id: 'disk_full_inside',
      when: 'its log tells of no space left',
      sentence: 'It could not write: the disk, or a volume, is full.',
      next: 'system_metrics {"groups":["filesystems"]}',
    },
    'disk_full',
  ),
  logged(
    {
      id: 'port_taken_inside',
      when: 'its log tells of an address in use',
      sentence: 'Its program wants a port that another process in the same network has: in host mode one of the host.',
      next: 'ss -ltnp',
    },
    'port_in_use',
  ),
  logged(
    {
      id: 'out_of_memory_inside',
      when: 'its log tells of no more memory',
      sentence: 'Its program ran out of memory by its own count: raise its own limit (heap), or the container’s.',
      next: INSPECT,
    },
    'out_of_memory',
  ),
  logged(
    {
      id: 'permission_denied_inside',
      when: 'its log tells of a permission denied or a read-only filesystem',
      sentence: 'It may not use something that it wants, mostly a mounted folder of another owner.',
      next: INSPECT,
    },
    'permission_denied',
  ),
];

function dependency(f: Seen): CauseHit | null {
  const joined = /^container:([0-9a-zA-Z][\w.-]{0,127})$/.exec(f.c.networkMode)?.[1];
  if (f.refusal === 'dependency_down' && joined) {
    const other = f.others?.find((o) => o.id === joined || o.id.startsWith(joined) || o.name === joined);
    const is = other
      ? `${clip(other.name, 128)} is ${other.state}`
      : 'that container is gone: this one must be made anew';
    const sentence = 'It shares the network of another container, which does not run.';
    const evidence = [...words(f), is];
    if (other) return { certainty: 'certain', evidence, sentence, words: { OTHER: other.name } };
    return { certainty: 'certain', evidence, sentence, next: INSPECT };
  }
  const ill = f.down || f.c.health === 'unhealthy' || f.c.health === 'starting';
  const first = f.missed[0];
  if (!ill || !first || stopped(f)) return null;
  const names = new Set(f.missed.map((m) => m.service.toLowerCase()));
  // As a word of its own: `db:5432`, `http://db/`, not `feedback`.
  const heard = (text: string) =>
    troubleIn(text) === 'cannot_connect' ||
    text
      .toLowerCase()
      .split(NO_NAME)
      .some((word) => names.has(word) || names.has(word.replace(/\.+$/, '')));
  const told = f.log?.find((s) => heard(s.text));
  const checked = f.c.healthLog.find((h) => heard(h.output));
  const evidence = [
    ...f.missed.map((m) => `service ${m.service}: ${m.is}`),
    ...(told ? [line(told)] : checked ? [`check: ${clip(checked.output.trim(), LONG)}`] : []),
  ];
  const likely = told || checked || (f.c.state === 'created' && f.refusal === null);
  const { project } = stackOf(f.c.labels);
  const other = (f.others ?? []).find((o) => sameService(o, project, first.service));
  const hit: CauseHit = { certainty: likely ? 'likely' : 'possible', evidence };
  return other ? { ...hit, words: { OTHER: other.name } } : { ...hit, next: 'stack_list {}' };
}

const sameService = (o: ContainerSummary, project: string | null, service: string): boolean => {
  const of = stackOf(o.labels);
  return of.project === project && of.service === service;
};

const NO_NAME = /[^a-z0-9._-]+/;
/** As compose spells it; anything else is nobody's. */
const SERVICE = /^[A-Za-z0-9._-]{1,128}$/;

/** `db:service_healthy:false,cache:service_started:true`, as compose leaves it on the container. */
export function missedOf(f: ContainerFacts): Dependency[] {
  const label = f.c.labels['com.docker.compose.depends_on'] ?? '';
  const { project } = stackOf(f.c.labels);
  if (f.others === null || project === null || label === '') return [];
  const found: Dependency[] = [];
  for (const part of label.slice(0, 4_000).split(',')) {
    const [service = '', condition = ''] = part.split(':');
    if (!SERVICE.test(service)) continue;
    const mates = f.others.filter((o) => sameService(o, project, service));
    if (mates.length === 0) found.push({ service, is: 'has no container' });
    // A service that runs once and ends well is no fault; how it ended its own diagnosis tells.
    else if (condition === 'service_completed_successfully') {
      const open = mates.find((o) => o.state !== 'exited' || !/^Exited \(0\)/.test(o.status));
      if (open) found.push({ service, is: `has not ended successfully (${open.state})` });
    } else if (!mates.some((o) => o.state === 'running')) found.push({ service, is: mates[0]?.state ?? 'gone' });
    else if (!mates.some((o) => o.state === 'running' && o.health !== 'unhealthy'))
      found.push({ service, is: 'unhealthy' });
  }
  return found;
}
